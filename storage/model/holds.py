"""Legal holds: what they cover, on whose authority, and who stands for them."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from regions.model import DataClass
from storage.model.scopes import Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class CarveOut:
    """A part of what a hold covers that it does not keep: what matches all that is given here.

    ``tenants`` and ``accounts``: records of one of these tenants, or of a tenant of one of these
    accounts. ``classes``: records of one of these classes. ``minted_from`` and ``minted_to``
    (exclusive): when the record's id was minted. Something must be given.
    """

    tenants: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    classes: tuple[DataClass, ...] = ()
    minted_from: datetime | None = None
    minted_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """A legal hold to place: what it covers, why, and when a person must review it.

    ``tenant``: whose records; None if the scope is an account or the whole region, and then
    ``region`` names the region. ``document``: the SHA-256 of the order, in hexadecimal digits.
    ``authority_jurisdiction``: the jurisdiction of the authority, by the name that the topology has
    for it: a German court is ``EU``. ``future``: whether it covers records that are minted after it
    was placed. ``classes``: empty for all. ``minted_from`` and ``minted_to`` (exclusive) limit when
    the record's id was minted. ``exclude``: what it does not keep.
    ``matter``, ``authority`` and ``issuer`` are short texts of the caller; no log and no error
    shows them.
    """

    tenant: str | None
    scope: Scope
    matter: str = field(repr=False)
    authority: str = field(repr=False)
    authority_jurisdiction: str
    document: str
    issuer: str = field(repr=False)
    review: date
    future: bool
    classes: tuple[DataClass, ...] = ()
    minted_from: datetime | None = None
    minted_to: datetime | None = None
    region: str | None = None
    exclude: tuple[CarveOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether what a foreign authority ordered to be held may be read.

    ``document``: the SHA-256 of the legal opinion. Two people of the roster made the decision.
    """

    permitted: bool
    document: str
    requested_by: str
    approved_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold in the catalog. It is in force until ``released``.

    ``tenant`` is None if it covers an ``account`` or the whole region. ``document`` and
    ``authority_jurisdiction`` are None if it was placed by a version that did not ask for them.
    ``sponsor``: the person who stands for it, by id in the roster: who placed it or, if that was a
    process, who confirmed it first. ``confirmed``: when a second person confirmed it, which is due
    by ``confirm_by``. ``decision``: the newest one. ``carve_outs``: what it does not keep.
    ``named``: how many records, subjects or groups its scope names, at least. Only raw SQL places
    a hold on more than one, and nobody confirms it.
    """

    id: UUID
    region: str
    tenant: str | None
    account: str | None
    scope: ScopeKind
    classes: tuple[DataClass, ...]
    minted_from: datetime | None
    minted_to: datetime | None
    future: bool
    matter: str = field(repr=False)
    authority: str = field(repr=False)
    authority_jurisdiction: str | None
    document: str | None
    issuer: str = field(repr=False)
    placed: datetime
    review: date
    sponsor: str | None
    confirm_by: datetime
    confirmed: datetime | None
    confirmed_by: str | None
    decision: Decision | None
    carve_outs: tuple[CarveOut, ...]
    changes_waiting: int
    released: datetime | None
    released_why: str | None = field(repr=False)
    named: int = 1


class ChangeKind(StrEnum):
    """What a change does to a hold."""

    RELEASE = "release"
    NARROWING = "narrowing"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class HoldChange:
    """A change of a hold: one person requests it, and it is in force once another approves it.

    ``why``: of a release and of a narrowing. ``carve_outs``: what a narrowing lets go.
    ``document`` and ``permitted``: of a decision.
    """

    id: UUID
    hold: UUID
    kind: ChangeKind
    why: str | None = field(repr=False)
    carve_outs: tuple[CarveOut, ...]
    document: str | None
    permitted: bool | None
    requested: datetime
    requested_by: str
    approved: datetime | None
    approved_by: str | None


@dataclass(frozen=True, slots=True)
class ExpiringDay:
    """An expiry day that began to expire before the hold was placed, with its covered records."""

    day: date
    records: int


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold, and what it found. Counting stops at 10,000, and so does ``erasures``.

    ``records`` are preserved from now on. The hold came too late for the records in ``expiring``
    and for those that ``erasures`` had deleted: they are lost, unless another hold preserves them.
    """

    hold: Hold
    records: int
    expiring: tuple[ExpiringDay, ...]
    erasures: tuple[UUID, ...]
