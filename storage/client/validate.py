"""What callers give, checked before anything happens with it. No message shows a value."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import get_args
from uuid import UUID

from regions.model import AgreementKind
from storage.crypto.record import metadata_text
from storage.errors import InvalidRequest, MalformedId, NotFound, UnknownClass
from storage.model import (
    Agreement,
    DataClass,
    HoldSpec,
    NewRecord,
    Purpose,
    Reason,
    RecordId,
    Scope,
    ScopeKind,
    TenantSpec,
    utc,
)
from storage.policy import well_formed

Id = RecordId | str
"""A record's id, or its text form."""

PAGE = 1000  # the most that one call lists
_TICKET = _NOTE = 200  # characters


def as_id(given: object) -> RecordId:
    """An id, from its text if it is text. Raises MalformedId."""
    if isinstance(given, RecordId):
        return given
    if isinstance(given, str):
        return RecordId.parse(given)
    raise MalformedId(advice="Give a RecordId, or its text.")


def as_erasure_id(given: object) -> UUID:
    """The id of an erasure, from its text if it is text. Raises NotFound."""
    if isinstance(given, UUID):
        return given
    try:
        return UUID(str(given))
    except ValueError:
        raise NotFound("That is no id of an erasure.") from None


def new_record(
    data_class: DataClass,
    body: bytes,
    *,
    id: Id | None,
    subject: str | None,
    group: str | None,
    metadata: Mapping[str, object] | None,
    derived_from: Iterable[Id],
) -> NewRecord:
    """The arguments of a write as one value. Raises MalformedId; ``check_record`` does the rest."""
    if isinstance(derived_from, str) or not isinstance(derived_from, Iterable):
        raise MalformedId("derived_from is a list of ids.", advice="Put the one id into a list.")
    return NewRecord(
        data_class,
        body,
        None if id is None else as_id(id),
        subject,
        group,
        {} if metadata is None else metadata,
        tuple(as_id(parent) for parent in derived_from),
    )


def check_record(new: object) -> None:
    """Whether it can be stored, as far as it says itself.

    Raises InvalidRequest, UnknownClass, MalformedId or MetadataTooLarge.
    """
    if not isinstance(new, NewRecord):
        raise InvalidRequest("That is no record.", advice="Give NewRecord(data_class, body, ...).")
    check_class(new.data_class)
    if not isinstance(new.body, bytes):
        raise InvalidRequest("A body is bytes.", advice="Encode text first.")
    parents: object = new.derived_from
    if not isinstance(parents, tuple) or not all(isinstance(p, RecordId) for p in parents):
        raise MalformedId("derived_from is a tuple of RecordIds.", advice="Use RecordId.parse.")
    if new.id is not None:
        if not isinstance(new.id, RecordId):
            raise MalformedId("The id of a record is a RecordId.", advice="Use RecordId.parse.")
        if new.id.data_class is not new.data_class:
            raise InvalidRequest(
                f"The id is of a {new.id.data_class}, the record is a {new.data_class}.",
                advice="Mint an id of the record's own class.",
            )
    check_name("subject", new.subject)
    check_name("group", new.group)
    check_metadata(new.metadata)


def check_metadata(metadata: object) -> None:
    """Whether it is metadata. Raises InvalidRequest or MetadataTooLarge."""
    if not isinstance(metadata, Mapping):
        raise InvalidRequest("Metadata is a mapping.", advice="Give a dictionary with text keys.")
    if metadata:
        metadata_text(metadata)


def with_filename(
    metadata: Mapping[str, object] | None, filename: str | None
) -> Mapping[str, object]:
    """The metadata of a file, its name among them. Raises like ``check_metadata``."""
    check_name("file name", filename)
    given = {} if metadata is None else metadata
    check_metadata(given)
    return given if filename is None else {**given, "filename": filename}


def check_class(data_class: object) -> None:
    """Whether it is a class of data. Raises UnknownClass."""
    if not isinstance(data_class, DataClass):
        raise UnknownClass(advice="Use DataClass.PROMPT and the like.")


def check_processor(processor: object) -> None:
    """Whether that can name a processor. Raises InvalidRequest."""
    if not isinstance(processor, str):
        raise InvalidRequest("The name of a processor is text.")


def check_attestation(digest: object, actor: object) -> None:
    """Whether it is a SHA-256 digest, and an actor's opaque id. Raises InvalidRequest."""
    if not isinstance(digest, bytes) or len(digest) != 32:
        raise InvalidRequest("The digest of a document is the 32 bytes of its SHA-256.")
    if not isinstance(actor, str) or not well_formed(actor):
        raise InvalidRequest(
            "That is no id of an actor.",
            advice="Use 1 to 64 letters, digits, dots, underscores and hyphens; nothing personal.",
        )


def as_copy_id(given: object) -> UUID:
    """The id of a copy, from its text if it is text. Raises NotFound."""
    if isinstance(given, UUID):
        return given
    try:
        return UUID(str(given))
    except ValueError:
        raise NotFound("That is no id of a copy.") from None


def check_purpose(purpose: object) -> None:
    """Whether it is a purpose. Raises InvalidRequest."""
    if not isinstance(purpose, Purpose):
        raise InvalidRequest("That is no purpose.", advice="Use Purpose.SERVE and the like.")


def check_name(what: str, name: object) -> None:
    """Whether a name that may be left out is text that says something. Raises InvalidRequest."""
    if name is not None:
        check_text(what, name)


def check_text(what: str, text: object) -> None:
    """Whether it is text that says something. Raises InvalidRequest."""
    if not isinstance(text, str) or not text or not _writable(text):
        raise InvalidRequest(f"A {what} is text of one character or more.")


def check_limit(limit: object) -> None:
    """Every listing is bounded: 1 to 1000. Raises InvalidRequest."""
    if type(limit) is not int or not 1 <= limit <= PAGE:
        raise InvalidRequest(f"A limit is 1 to {PAGE}.")


def check_range(start: object, stop: object) -> None:
    """Whether it is a range of bytes. Raises InvalidRequest."""
    if type(start) is not int or type(stop) is not int or not 0 <= start <= stop:
        raise InvalidRequest("A range begins at 0 or later, and ends no earlier than it begins.")


def check_erasure(scope: object, reason: object, ticket: object) -> None:
    """Whether that can be erased. Raises InvalidRequest or MalformedId."""
    _check_scope(scope)
    if not isinstance(reason, Reason):
        raise InvalidRequest("That is no reason.", advice="Use Reason.SUBJECT_REQUEST and so on.")
    if ticket is not None and not (
        isinstance(ticket, str) and 1 <= len(ticket) <= _TICKET and ticket.isprintable()
    ):
        raise InvalidRequest(
            f"A ticket is 1 to {_TICKET} printable characters.",
            advice="Give the number of your ticket; nothing personal.",
        )


def _check_scope(scope: object) -> None:
    if not isinstance(scope, Scope) or not isinstance(scope.kind, ScopeKind):
        raise InvalidRequest("That is no scope.", advice="Use Scope.subject(name) and the like.")
    match scope.kind:
        case ScopeKind.RECORD:
            as_id(scope.value)
        case ScopeKind.SUBJECT | ScopeKind.GROUP | ScopeKind.ACCOUNT:
            check_text(scope.kind.value, scope.value)
        case ScopeKind.TENANT:
            pass


def as_hold_id(given: object) -> UUID:
    """The id of a hold, from its text if it is text. Raises NotFound."""
    if isinstance(given, UUID):
        return given
    try:
        return UUID(str(given))
    except ValueError:
        raise NotFound("That is no id of a hold.") from None


def check_note(what: str, text: object) -> None:
    """Whether it is a short text for people. Raises InvalidRequest."""
    if not isinstance(text, str) or not 1 <= len(text) <= _NOTE or not text.isprintable():
        raise InvalidRequest(f"The {what} of a hold is 1 to {_NOTE} printable characters.")


def check_actor(actor: object) -> None:
    """Whether it says who reads. Raises InvalidRequest."""
    if not isinstance(actor, str) or not 1 <= len(actor) <= _NOTE or not actor.isprintable():
        raise InvalidRequest(
            f"An actor is 1 to {_NOTE} printable characters.",
            advice="Give the id that your identity provider has for the person.",
        )


def check_hold(spec: object) -> None:
    """Whether that can be held. Raises InvalidRequest, MalformedId, UnknownClass, NaiveDatetime."""
    if not isinstance(spec, HoldSpec) or not isinstance(spec.tenant, str):
        raise InvalidRequest("That is no hold.", advice="Give HoldSpec(tenant, scope, ...).")
    _check_scope(spec.scope)
    for what in ("matter", "authority", "issuer"):
        check_note(what, getattr(spec, what))
    if not _date(spec.review):
        raise InvalidRequest("A hold has a date of review.", advice="Give date(2027, 1, 15).")
    if not isinstance(spec.future, bool):
        raise InvalidRequest("Say whether it covers what is minted later: future=True or False.")
    if not isinstance(spec.classes, tuple):
        raise InvalidRequest("The classes of a hold are a tuple.", advice="Empty: all of them.")
    for data_class in spec.classes:
        check_class(data_class)
    span = [_moment(at) for at in (spec.minted_from, spec.minted_to) if at is not None]
    if span != sorted(span):
        raise InvalidRequest("The time span of a hold ends before it begins.")


def _moment(at: object) -> datetime:
    if not isinstance(at, datetime):
        raise InvalidRequest("The time span of a hold is given in datetimes.")
    return utc(at)


def check_spec(spec: object) -> None:
    """Whether a tenant's terms are of the right types. Raises InvalidRequest or UnknownClass."""
    if not isinstance(spec, TenantSpec):
        raise InvalidRequest("That is no tenant.", advice="Give TenantSpec(id, account=..., ...).")
    for what in ("id", "account", "home", "residency", "service"):
        if not isinstance(getattr(spec, what), str):
            raise InvalidRequest(f"The {what} of a tenant is text.")
    if not isinstance(spec.dedicated, bool):
        raise InvalidRequest("dedicated is True or False.")
    agreements: object = spec.agreements
    if not isinstance(agreements, list | tuple) or not all(map(_agreement, agreements)):
        raise InvalidRequest(
            "Agreements are a list of agreements, with dates and not times.",
            advice="Give [Dpa(signed=date(2026, 1, 5))].",
        )
    if not isinstance(spec.retention, Mapping):
        raise InvalidRequest("Retention is a mapping.", advice="Give {DataClass.PROMPT: days}.")
    for data_class, days in spec.retention.items():
        check_class(data_class)
        if type(days) is not int:
            raise InvalidRequest("A retention is a whole number of days.")


def _agreement(given: object) -> bool:
    return (
        isinstance(given, Agreement)
        and given.kind in get_args(AgreementKind)
        and _date(given.signed)
        and (given.until is None or _date(given.until))
    )


def _date(given: object) -> bool:
    """A datetime is a date to Python; which day it is depends on a zone, so it is none to us."""
    return isinstance(given, date) and not isinstance(given, datetime)


def _writable(text: str) -> bool:
    """Half a surrogate pair is no text; the error that ``encode`` raises would show the rest."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
