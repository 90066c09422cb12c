"""What the ledger tells: the events that a restored catalog must not have forgotten.

A closed union. What an entry holds is one of these, and ``encode`` and ``decode`` are the only
place that writes and reads them.
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from regions.model import DataClass
from storage.errors import Corrupt
from storage.model import Reason, ScopeKind

_Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class _Told(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )


class NewErasure(_Told):
    """A request to erase, with what it covers: pseudonyms, or the unique part of an id.

    It covers what was minted up to ``cutoff``, and its fence may go after ``until``.
    """

    kind: Literal["erasure"] = "erasure"
    id: UUID
    tenant: str
    scope: ScopeKind
    sought: tuple[bytes, ...] = Field(repr=False)
    reason: Reason
    ticket: str | None = Field(repr=False)
    requested: _Moment
    cutoff: _Moment
    until: _Moment


class NewHold(_Told):
    """A legal hold, with what the catalog knows its scope by: pseudonyms, or part of an id.

    ``sealed_name``: of whom it is about, if it covers what is stored later. ``cutoff``: the last
    minting that it covers otherwise.
    """

    kind: Literal["hold"] = "hold"
    id: UUID
    tenant: str
    scope: ScopeKind
    sought: tuple[bytes, ...] = Field(repr=False)
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


class HoldRelease(_Told):
    """The end of the hold of that id."""

    kind: Literal["release"] = "release"
    id: UUID
    tenant: str
    why: str = Field(repr=False)
    at: _Moment


class NewCopy(_Told):
    """A copy of a record that is about to be handed to a processor, with whom it is about.

    That is in the words of the record's row. ``land_by``: its delivery cannot be carried out later.
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


Event = NewErasure | NewHold | HoldRelease | NewCopy

_ORDER = ("hold", "release", "copy", "erasure")  # kinds, in the order in which they are replayed


class Entry(_Told):
    """An event in its place: ``number`` counts from 1, ``before`` is the entry that it follows.

    Of two events at once neither knows of the other: both follow the same entry, with the same
    number. ``before`` is the SHA-256 of that entry as it lies on the backends, empty for the first.
    """

    format: Literal[1] = 1
    number: int = Field(ge=1)
    before: bytes
    region: str
    catalog: UUID
    at: _Moment
    event: Event = Field(discriminator="kind")


def encode(entry: Entry) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, bytes in base64, times in UTC."""
    told = entry.model_dump(mode="json")
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(text: bytes) -> Entry:
    """The entry again. Raises Corrupt, which does not show it, if this code cannot read it."""
    entry: Entry | None = None
    try:
        entry = Entry.model_validate_json(text)
    except ValidationError:  # it quotes the values
        entry = None
    if entry is None:
        raise Corrupt("An entry of the ledger is not of a format that this version reads.")
    return entry


def in_order(entry: Entry) -> tuple[int, int, datetime]:
    """What to sort entries by, so that they can be replayed one after the other."""
    return _ORDER.index(entry.event.kind), entry.number, entry.at
