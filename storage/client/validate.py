"""Checks of the arguments of the public API. No error message shows a value."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import get_args
from uuid import UUID

from regions.fields import DIGEST
from regions.model import CONTENT_CLASSES, RECORD_CLASSES, AgreementKind
from regions.words import begun_with_article
from storage.crypto.record import metadata_text
from storage.errors import BodyTooLarge, InvalidRequest, MalformedId, UnknownClass
from storage.model import (
    CODE_ADVICE,
    REQUESTED,
    Actor,
    ActorKind,
    Agreement,
    DataClass,
    NewRecord,
    Origin,
    Purpose,
    Reason,
    RecordId,
    Scope,
    ScopeKind,
    TenantSpec,
    Trait,
    utc,
)
from storage.model.codes import is_code
from storage.policy import well_formed

Id = RecordId | str
"""A record's id, or its text form."""

PAGE = 1000  # the largest ``limit`` of a listing
MOST_COUNTED = 1_000_000
_MOST_VERSIONS = 2**31 - 1
_LAST_YEAR = 9000
LONGEST_NAME = 1024  # bytes in UTF-8
_TICKET = _NOTE = 200  # characters


def as_id(given: object) -> RecordId:
    """Return a record id; parse its text form. Raises MalformedId."""
    if isinstance(given, RecordId):
        return given
    if isinstance(given, str):
        return RecordId.parse(given)
    raise MalformedId(advice="Pass a RecordId or its text form.")


def check_bound(actor: object) -> Actor:
    """Return an actor whose parts are names. Raises InvalidRequest."""
    if not isinstance(actor, Actor) or not isinstance(actor.kind, ActorKind):
        raise InvalidRequest(
            "A tenant is bound to an Actor.",
            advice='Pass Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU").',
        )
    for what in ("id", "employer", "location"):
        given: object = getattr(actor, what)
        if not isinstance(given, str) or not 0 < len(given) <= _NOTE:
            raise InvalidRequest(
                f"The {what} of an actor must be a string of 1 to {_NOTE} characters."
            )
        check_length(f"{what} of an actor", given)
        if actor.kind is ActorKind.CUSTOMER:  # the roster knows what others are
            check_code(f"{what} of an actor", given)
    return actor


def as_uuid(given: object, of: str) -> UUID:
    """Return the id of an erasure, a hold or a copy (``of``); parse its text form.

    Raises InvalidRequest.
    """
    if isinstance(given, UUID):
        return given
    if isinstance(given, str):
        check_length(f"id of {of}", given)
    try:
        return UUID(str(given))
    except ValueError:
        raise InvalidRequest(
            f"Not the id of {of}: an id is a UUID.", advice="Use an id that a listing returned."
        ) from None


def new_record(  # noqa: PLR0913 - what a record has
    data_class: DataClass,
    body: bytes,
    *,
    id: Id | None,
    subject: str | None,
    group: str | None,
    metadata: Mapping[str, object] | None,
    derived_from: Iterable[Id],
    origin: Origin | None = None,
    keep_days: int | None,
    readable_until: datetime | None,
) -> NewRecord:
    """Return the arguments of a write as one value. Raises MalformedId.

    Everything else is left to ``check_record``.
    """
    if isinstance(derived_from, str) or not isinstance(derived_from, Iterable):
        raise MalformedId("derived_from must be a list of ids.", advice="Pass [id].")
    return NewRecord(
        data_class,
        body,
        None if id is None else as_id(id),
        subject,
        group,
        {} if metadata is None else metadata,
        tuple(as_id(parent) for parent in derived_from),
        origin=origin,
        keep_days=keep_days,
        readable_until=readable_until,
    )


def check_record(new: object) -> None:
    """Check the types and sizes of a new record.

    Raises InvalidRequest, UnknownClass, MalformedId or MetadataTooLarge.
    """
    if not isinstance(new, NewRecord):
        raise InvalidRequest(
            "A record must be a NewRecord.", advice="Pass NewRecord(data_class, body, ...)."
        )
    check_class(new.data_class)
    if not isinstance(new.body, bytes):
        raise InvalidRequest("A body must be bytes.", advice="Encode text first.")
    if new.body and new.data_class not in CONTENT_CLASSES:
        raise BodyTooLarge(
            f"{begun_with_article(new.data_class)} has metadata alone: its body must be empty.",
            advice="Put what it says into the metadata.",
        )
    parents: object = new.derived_from
    if not isinstance(parents, tuple) or not all(isinstance(p, RecordId) for p in parents):
        raise MalformedId(
            "derived_from must be a tuple of RecordIds.", advice="Use RecordId.parse."
        )
    if new.id is not None:
        if not isinstance(new.id, RecordId):
            raise MalformedId(
                "The id of a NewRecord must be a RecordId.", advice="Use RecordId.parse."
            )
        if new.id.data_class is not new.data_class:
            raise InvalidRequest(
                f"The id has the class {new.id.data_class}, the record {new.data_class}.",
                advice="Mint an id of the record's class.",
            )
    check_name("subject", new.subject)
    check_name("group", new.group)
    check_metadata(new.metadata)
    if new.origin is not None:
        check_origin(new.origin)
    check_keep_days(new.keep_days)
    check_moment("readable_until", new.readable_until)


def check_origin(origin: object) -> None:
    """Check the origin of data from before Domicile. Raises InvalidRequest."""
    if not isinstance(origin, Origin):
        raise InvalidRequest(
            "An origin must be an Origin.",
            advice="Pass Origin(date(2026, 1, 5), hashlib.sha256(export).digest()).",
        )
    source: object = origin.source
    if not is_date(origin.date) or not isinstance(source, bytes) or len(source) != 32:
        raise InvalidRequest(
            "An origin has a date, a UTC day, and the 32 bytes of a SHA-256.",
            advice="Pass the digest of what the data was taken from.",
        )


def check_origin_date(given: object) -> None:
    """Check an optional origin date. Raises InvalidRequest, also for a datetime."""
    if given is not None and not is_date(given):
        raise InvalidRequest(
            "An origin date must be a date rather than a datetime: a UTC day.",
            advice="Pass date(2026, 1, 5).",
        )


def check_day(day: object) -> None:
    """Check an optional UTC day. Raises InvalidRequest, also for a datetime."""
    if day is not None and not is_date(day):
        raise InvalidRequest("A day must be a date.", advice="Pass date(2026, 1, 5).")


def check_keep_days(days: object) -> None:
    """Check how long a record is kept: None, or a number of days. Raises InvalidRequest."""
    if days is not None and (not isinstance(days, int) or isinstance(days, bool)):
        raise InvalidRequest("keep_days must be a whole number of days.", advice="Pass 7, or None.")


def check_metadata(metadata: object) -> None:
    """Check metadata. Raises InvalidRequest or MetadataTooLarge."""
    if not isinstance(metadata, Mapping):
        raise InvalidRequest("Metadata must be a mapping.", advice="Pass a dict with string keys.")
    if metadata:
        metadata_text(metadata)


def with_filename(
    metadata: Mapping[str, object] | None, filename: str | None
) -> Mapping[str, object]:
    """Return the metadata with the file name added. Raises like ``check_metadata``."""
    if filename is not None:
        _check_not_empty("file name", filename)  # the limit of metadata applies to it
    given = {} if metadata is None else metadata
    check_metadata(given)
    return given if filename is None else {**given, "filename": filename}


def check_class(data_class: object) -> None:
    """Check the class of a record. Raises UnknownClass, also for a flag, which is no record."""
    if isinstance(data_class, DataClass) and data_class not in RECORD_CLASSES:
        known = f"Name one of: {', '.join(RECORD_CLASSES)}."
        raise UnknownClass(f"The class {data_class} is not one of records.", advice=known)
    if not isinstance(data_class, DataClass):
        raise UnknownClass(advice="Pass the DataClass of a record, such as DataClass.PROMPT.")


def check_tenant_id(tenant: object) -> None:
    """Check the type of a tenant id. Raises InvalidRequest."""
    if not isinstance(tenant, str):
        raise InvalidRequest("A tenant id must be a string.")
    check_length("tenant id", tenant)


def check_processor(processor: object) -> None:
    """Check the name of a processor. Raises InvalidRequest."""
    if not isinstance(processor, str):
        raise InvalidRequest("The name of a processor must be a string.")
    check_length("name of a processor", processor)


def check_attestation(digest: object, actor: object) -> None:
    """Check a SHA-256 digest and an actor's opaque id. Raises InvalidRequest."""
    if not isinstance(digest, bytes) or len(digest) != 32:
        raise InvalidRequest("A digest must be the 32 bytes of a SHA-256.")
    if not isinstance(actor, str) or not well_formed(actor):
        raise InvalidRequest(
            "Malformed id of an actor.",
            advice="Use 1 to 64 letters, digits, dots, underscores and hyphens; no personal data.",
        )


def check_purpose(purpose: object) -> None:
    """Check a purpose. Raises InvalidRequest."""
    if not isinstance(purpose, Purpose):
        raise InvalidRequest("Unknown purpose.", advice="Pass a Purpose, such as Purpose.SERVE.")


def check_name(what: str, name: object) -> None:
    """Check an optional name: None, or a string that is not empty. Raises InvalidRequest."""
    if name is not None:
        check_text(what, name)


def check_text(what: str, text: object) -> None:
    """Check a string that must not be empty. Raises InvalidRequest."""
    check_length(what, _check_not_empty(what, text))


def _check_not_empty(what: str, text: object) -> str:
    if not isinstance(text, str) or not text or not _writable(text):
        raise InvalidRequest(f"The {what} must be a string of one character or more.")
    return text


def check_length(what: str, text: str) -> None:
    """Check the length of a name or an id. Raises InvalidRequest."""
    if len(text) > LONGEST_NAME or len(text.encode(errors="replace")) > LONGEST_NAME:
        raise InvalidRequest(
            f"The {what} is longer than {LONGEST_NAME} bytes.",
            advice="Pass a shorter one, such as a digest of it.",
        )


def check_limit(limit: object) -> None:
    """Check the limit of a listing. Raises InvalidRequest."""
    if type(limit) is not int or not 1 <= limit <= PAGE:
        raise InvalidRequest(f"limit must be from 1 to {PAGE}.")


def check_version(version: object) -> None:
    """Check the version of metadata. Raises InvalidRequest."""
    if type(version) is not int or not 0 <= version < _MOST_VERSIONS:
        raise InvalidRequest(
            "The version of metadata must be a number from 0 on.",
            advice="Pass the one that the record had when you read it.",
        )


def check_most(most: object) -> None:
    """Check after how many records a count stops. Raises InvalidRequest."""
    if type(most) is not int or not 1 <= most <= MOST_COUNTED:
        raise InvalidRequest(f"most must be from 1 to {MOST_COUNTED:,}.")


def check_span(minted_from: object, minted_to: object) -> None:
    """Check when ids were minted: from one moment until before another. None: no limit.

    Raises InvalidRequest, and NaiveDatetime without a time zone.
    """
    given = {"minted_from": minted_from, "minted_to": minted_to}
    span = [_moment(name, at) for name, at in given.items() if at is not None]
    if span != sorted(span):
        raise InvalidRequest("minted_to must not be before minted_from.")


def check_moment(name: str, at: object) -> None:
    """Check an optional moment. Raises InvalidRequest, and NaiveDatetime without a time zone."""
    if at is not None:
        _moment(name, at)


def _moment(name: str, at: object) -> datetime:
    if not isinstance(at, datetime):
        raise InvalidRequest(f"{name} must be a datetime.")
    if not 2 <= at.year <= _LAST_YEAR:
        raise InvalidRequest(f"{name} is too far away.", advice="Leave it out, for no limit.")
    return utc(at)


def check_range(start: object, stop: object) -> None:
    """Check a byte range. Raises InvalidRequest."""
    if type(start) is not int or type(stop) is not int or not 0 <= start <= stop:
        raise InvalidRequest("A range must start at 0 or later, and not stop before it starts.")


def check_erasure(scope: object, reason: object, ticket: object) -> None:
    """Check the arguments of an erasure. Raises InvalidRequest or MalformedId."""
    check_scope(scope)
    if not isinstance(reason, Reason):
        raise InvalidRequest(
            "Unknown reason.", advice="Pass a Reason, such as Reason.SUBJECT_REQUEST."
        )
    if reason not in REQUESTED:
        raise InvalidRequest(
            f"The reason {reason} is for what a worker erases.",
            advice="To shorten a retention: domicile tenant retention.",
        )
    if ticket is not None:
        _check_ticket(ticket)


def check_objection(company: object, by: object, ticket: object) -> None:
    """Check the arguments of an objection or a withdrawal. Raises InvalidRequest."""
    check_text("company", company)
    check_actor(by)
    _check_ticket(ticket)


def _check_ticket(ticket: object) -> None:
    if not isinstance(ticket, str) or not 1 <= len(ticket) <= _TICKET or not ticket.isprintable():
        raise InvalidRequest(
            f"A ticket must have 1 to {_TICKET} printable characters.",
            advice="Pass the number of your ticket; no personal data.",
        )


def check_scope(scope: object) -> None:
    """Check a scope. Raises InvalidRequest or MalformedId."""
    if not isinstance(scope, Scope) or not isinstance(scope.kind, ScopeKind):
        raise InvalidRequest("Unknown scope.", advice="Pass a Scope, such as Scope.subject(name).")
    match scope.kind:
        case ScopeKind.RECORD:
            as_id(scope.value)
        case ScopeKind.SUBJECT | ScopeKind.GROUP | ScopeKind.ACCOUNT:
            check_text(scope.kind.value, scope.value)
        case ScopeKind.TENANT | ScopeKind.REGION:
            pass
        case ScopeKind.CLASS:
            raise InvalidRequest(
                "A class is not erased or held as a whole.",
                advice="To keep it for fewer days: domicile tenant retention.",
            )


def check_note(what: str, text: object) -> None:
    """Check a short text for the record. Raises InvalidRequest."""
    if not isinstance(text, str) or not 1 <= len(text) <= _NOTE or not text.isprintable():
        raise InvalidRequest(f"The {what} must have 1 to {_NOTE} printable characters.")


def check_code(what: str, text: object) -> None:
    """Check what is in a line of the log as it is given. Raises InvalidRequest."""
    if not isinstance(text, str) or not is_code(text):
        raise InvalidRequest(f"The {what} must be a code.", advice=CODE_ADVICE)


def check_actor(actor: object) -> None:
    """Check the id of the person who reads or decides. Raises InvalidRequest."""
    check_code("id of an actor", actor)


def check_spec(spec: object) -> None:
    """Check the types of a tenant's terms. Raises InvalidRequest or UnknownClass."""
    if not isinstance(spec, TenantSpec):
        raise InvalidRequest(
            "A tenant must be a TenantSpec.", advice="Pass TenantSpec(id, account=..., ...)."
        )
    for what in ("id", "account", "home", "residency", "service"):
        if not isinstance(getattr(spec, what), str):
            raise InvalidRequest(f"The {what} of a tenant must be a string.")
        check_length(f"{what} of a tenant", getattr(spec, what))
    if not isinstance(spec.dedicated, bool):
        raise InvalidRequest("dedicated must be True or False.")
    traits: object = spec.traits
    if not isinstance(traits, frozenset | set) or not traits <= set(Trait):
        raise InvalidRequest(
            "traits must be a set of Trait.", advice=f"Known traits: {', '.join(Trait)}."
        )
    agreements: object = spec.agreements
    if not isinstance(agreements, list | tuple) or not all(map(_agreement, agreements)):
        raise InvalidRequest(
            "agreements must be a list of Agreement, with dates rather than datetimes.",
            advice="Pass [Dpa(signed=date(2026, 1, 5))].",
        )
    if not isinstance(spec.retention, Mapping):
        raise InvalidRequest(
            "retention must be a mapping.", advice="Pass {DataClass.PROMPT: days}."
        )
    for data_class, days in spec.retention.items():
        check_class(data_class)
        if type(days) is not int:
            raise InvalidRequest("A retention must be a whole number of days.")


def _agreement(given: object) -> bool:
    return (
        isinstance(given, Agreement)
        and given.kind in get_args(AgreementKind)
        and is_date(given.signed)
        and all(day is None or is_date(day) for day in (given.since, given.until))
        and (given.document is None or _digest(given.document))
        and (given.signatory is None or _short(given.signatory))
    )


def _digest(given: object) -> bool:
    return isinstance(given, str) and re.fullmatch(DIGEST, given) is not None


def _short(given: object) -> bool:
    return isinstance(given, str) and 1 <= len(given) <= _NOTE and given.isprintable()


def is_date(given: object) -> bool:
    """Refuse a datetime, which is a date to Python: its day depends on a time zone."""
    return isinstance(given, date) and not isinstance(given, datetime)


def _writable(text: str) -> bool:
    """Refuse half a surrogate pair here: the error of ``encode`` would show the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
