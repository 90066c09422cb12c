"""Legal holds."""

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from regions.model import DataClass
from storage.model.scopes import Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """A legal hold to place: what it covers, why, and when a person must review it.

    ``future``: whether it covers records that are minted after it was placed. ``classes``: empty
    for all. ``minted_from`` and ``minted_to`` (exclusive) limit when the record's id was minted.
    ``matter``, ``authority`` and ``issuer`` are short texts of the caller; no log and no error
    shows them.
    """

    tenant: str
    scope: Scope
    matter: str = field(repr=False)
    authority: str = field(repr=False)
    issuer: str = field(repr=False)
    review: date
    future: bool
    classes: tuple[DataClass, ...] = ()
    minted_from: datetime | None = None
    minted_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold in the catalog. It is in force until ``released``."""

    id: UUID
    region: str
    tenant: str
    scope: ScopeKind
    classes: tuple[DataClass, ...]
    minted_from: datetime | None
    minted_to: datetime | None
    future: bool
    matter: str = field(repr=False)
    authority: str = field(repr=False)
    issuer: str = field(repr=False)
    placed: datetime
    review: date
    released: datetime | None
    released_why: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExpiringDay:
    """An expiry day that began to expire before the hold was placed, with its covered records."""

    day: date
    records: int


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold, and what it found. Counting stops at 10,000.

    ``records`` are preserved from now on. The hold came too late for the records in ``expiring``
    and for those that ``erasures`` had deleted: they are lost, unless another hold preserves them.
    """

    hold: Hold
    records: int
    expiring: tuple[ExpiringDay, ...]
    erasures: tuple[UUID, ...]
