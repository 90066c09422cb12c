"""The events that the ledger keeps, so that a restored catalog can replay what it lost.

A closed union: an entry contains exactly one of them. Only ``encode`` and ``decode`` write and
read the stored form.
"""

import json
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from regions.model import DataClass, Purpose
from storage.errors import Corrupt
from storage.model import ConsentKind, Reason, ScopeKind, in_utc

_Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]


def _absent(value: object) -> bool:
    return value is None or value == ()


def _newer() -> Any:  # noqa: ANN401 - as Field
    """Return a field that entries of older versions lack. Not stored if there is nothing in it."""
    return Field(default=None, exclude_if=_absent)


class _Stored(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        validate_by_name=True,
    )


class NewErasure(_Stored):
    """A request to erase, with the values that it matches: pseudonyms, or the unique part of an id.

    It covers what was minted up to ``cutoff``, but no events minted after ``spared_from``. Its
    fence may be pruned after ``until``.
    """

    kind: Literal["erasure"] = "erasure"
    id: UUID
    tenant: str
    scope: ScopeKind
    match_values: tuple[bytes, ...] = Field(alias="sought", repr=False)
    reason: Reason
    ticket: str | None = Field(repr=False)
    requested: _Moment
    cutoff: _Moment
    until: _Moment
    spared_from: _Moment | None = _newer()


class StoredCarveOut(_Stored):
    """What a hold does not keep. See ``CarveOut``."""

    tenants: tuple[str, ...]
    accounts: tuple[str, ...]
    classes: tuple[DataClass, ...]
    minted_from: _Moment | None
    minted_to: _Moment | None


class NewHold(_Stored):
    """A legal hold, with the values that it matches: pseudonyms, or the unique part of an id.

    ``sealed_name``: the name of its subject or group, set if the hold covers what is stored later.
    ``cutoff``: the last minting that it covers otherwise. ``sponsor`` and ``placed_login``: the
    person who placed it, if one did, and the login.
    """

    kind: Literal["hold"] = "hold"
    id: UUID
    tenant: str | None  # None: it is about the account, or the whole region
    account: str | None = _newer()
    scope: ScopeKind
    match_values: tuple[bytes, ...] = Field(alias="sought", repr=False)
    sealed_name: bytes | None = Field(repr=False)
    classes: tuple[DataClass, ...]
    minted_from: _Moment | None
    minted_to: _Moment | None
    cutoff: _Moment | None
    matter: str = Field(repr=False)
    authority: str = Field(repr=False)
    issuer: str = Field(repr=False)
    placed: _Moment
    review: date
    authority_jurisdiction: str | None = _newer()
    document: str | None = _newer()
    sponsor: str | None = _newer()
    placed_login: str | None = _newer()
    exclude: tuple[StoredCarveOut, ...] = Field(default=(), exclude_if=_absent)


class HoldConfirmation(_Stored):
    """A person of the roster stands for the hold of that id, or confirms it as the second one."""

    kind: Literal["confirmation"] = "confirmation"
    id: UUID
    tenant: str | None
    by: str
    at: _Moment


class Approved(_Stored):
    """A change of a hold: its id, who requested it when, and who approved it."""

    id: UUID
    requested: _Moment
    requested_by: str
    approved_by: str


class HoldRelease(_Stored):
    """The release of the hold of that id. ``change``: who requested and who approved it."""

    kind: Literal["release"] = "release"
    id: UUID
    tenant: str | None
    why: str = Field(repr=False)
    at: _Moment
    change: Approved | None = _newer()


class HoldNarrowing(_Stored):
    """What the hold of that id does not keep any more."""

    kind: Literal["narrowing"] = "narrowing"
    id: UUID
    tenant: str | None
    why: str = Field(repr=False)
    carve_outs: tuple[StoredCarveOut, ...]
    at: _Moment
    change: Approved


class HoldDecision(_Stored):
    """Whether what is under the hold of that id, which a foreign authority demands, may be read.

    ``document``: SHA-256 of the legal opinion.
    """

    kind: Literal["decision"] = "decision"
    id: UUID
    tenant: str | None
    permitted: bool
    document: str
    at: _Moment
    change: Approved


class NewCopy(_Stored):
    """A copy of a record that is about to be handed to a processor.

    ``subject``, ``group`` and ``ancestors`` are as in the record's row. ``land_by``: the delivery
    cannot take effect later.
    """

    kind: Literal["copy"] = "copy"
    id: UUID
    tenant: str
    uid: bytes = Field(repr=False)
    data_class: DataClass
    expiry_day: date | None
    origin: _Moment
    subject: bytes | None = Field(repr=False)
    group: bytes | None = Field(repr=False)
    ancestors: tuple[bytes, ...] = Field(repr=False)
    processor: str
    announced: _Moment
    land_by: _Moment
    deadline: _Moment
    lead: timedelta


class NewConsent(_Stored):
    """What a tenant, or one of its subjects, said about classes and purposes. See ``Consent``.

    ``match_values`` and ``sealed_name`` are of the subject. ``recorded_by``: a login.
    """

    kind: Literal["consent"] = "consent"
    id: UUID
    tenant: str
    said: ConsentKind
    match_values: tuple[bytes, ...] = Field(alias="sought", repr=False)
    sealed_name: bytes | None = Field(repr=False)
    wording: str | None
    classes: tuple[DataClass, ...]
    purposes: tuple[Purpose, ...]
    by: str = Field(repr=False)
    given: _Moment
    covers_from: date | None
    document: str | None
    recorded: _Moment
    recorded_by: str


class NewUse(_Stored):
    """A record that is about to be handed out. ``consent``: the statement that permits it.

    ``record``: its id. The rest is as in the record's row.
    """

    record: str
    origin: _Moment
    subject: bytes | None = Field(repr=False)
    group: bytes | None = Field(repr=False)
    ancestors: tuple[bytes, ...] = Field(repr=False)
    consent: UUID | None


class NewUses(_Stored):
    """Records that are about to be handed out, for a run of training or to fine-tune a model.

    ``read`` is one reading of one tenant, which ``began`` then. ``run``: of fine-tuning, the model.
    """

    kind: Literal["uses"] = "uses"
    id: UUID
    tenant: str
    read: UUID
    purpose: Purpose
    run: str
    job: str | None
    actor: str
    began: _Moment
    at: _Moment
    uses: tuple[NewUse, ...]


HoldEvent = NewHold | HoldConfirmation | HoldNarrowing | HoldDecision | HoldRelease
Event = NewErasure | HoldEvent | NewConsent | NewCopy | NewUses

_REPLAY_ORDER = (
    *("hold", "confirmation", "narrowing", "decision", "release"),
    *("consent", "copy", "uses", "erasure"),
)


class Entry(_Stored):
    """An event with its position: ``number`` counts from 1, ``before`` is the preceding entry.

    Two concurrent events follow the same entry and have the same number. ``before`` is the SHA-256
    of the preceding entry as stored on the backends, and empty for the first.
    """

    format: Literal[1] = 1
    number: int = Field(ge=1)
    before: bytes
    region: str
    catalog: UUID
    at: _Moment
    event: Event = Field(discriminator="kind")


def encode(entry: Entry) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8, bytes in base64, times in UTC."""
    fields = entry.model_dump(mode="json", by_alias=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(text: bytes) -> Entry:
    """Parse what ``encode`` returned. Raises Corrupt, which does not show the text."""
    entry: Entry | None = None
    try:
        entry = Entry.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError:  # it quotes the values
        entry = None
    if entry is None:
        raise Corrupt("This version cannot read the format of a ledger entry.")
    return entry


def in_order(entry: Entry) -> tuple[int, int, datetime]:
    """Return the sort key for replay: by kind of event, then by number, then by time."""
    return _REPLAY_ORDER.index(entry.event.kind), entry.number, entry.at
