"""The vocabulary: what callers give and get, as frozen values.

``repr`` of a value never shows content, metadata, a subject, a group or a file name.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from regions.model import AgreementKind, DataClass, Purpose
from storage.errors import DomicileError, MalformedId, NaiveDatetime

__all__ = [
    "AccountErasure",
    "Agreement",
    "BackendState",
    "Copy",
    "CopyState",
    "DataClass",
    "Deferral",
    "Dpa",
    "Entropy",
    "Erasure",
    "ErasureState",
    "ExpiringDay",
    "Explanation",
    "HandedOver",
    "Hold",
    "HoldSpec",
    "Left",
    "NewRecord",
    "PlacedHold",
    "PlacementReason",
    "ProcessorState",
    "Purpose",
    "PutFailure",
    "PutResult",
    "Reason",
    "Record",
    "RecordId",
    "RecordInfo",
    "RegionStatus",
    "Replica",
    "ReplicaState",
    "Scope",
    "ScopeKind",
    "TenantSpec",
    "Verdict",
    "utc",
]

Entropy = Callable[[int], bytes]
"""So many random bytes: ``os.urandom``, or something that a test can repeat."""

_DAY_ZERO = date(2020, 1, 1)
_REGION = re.compile(r"[a-z0-9-]{1,63}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIQUE = 16  # bytes
_LOOKS = "An id looks like prompt.eu-central-1.<39 characters>."


def utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises NaiveDatetime if it has no time zone."""
    if moment.tzinfo is None:
        raise NaiveDatetime(advice="Give datetime(..., tzinfo=UTC).")
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class RecordId:
    """The name of a record, minted before it is written. It holds nothing personal.

    ``day`` is the expiry day (None: kept until deleted) and so names the one partition in which
    the record can ever be; ``unique`` is what makes the id one of its kind.  Text form:
    ``prompt.eu-central-1.<39 characters>``.
    """

    data_class: DataClass
    region: str
    minted: datetime
    day: date | None
    unique: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raises NaiveDatetime if ``minted`` has no time zone, MalformedId on another length."""
        utc(self.minted)
        if len(self.unique) != _UNIQUE:
            raise MalformedId(advice=_LOOKS)

    @classmethod
    def mint(
        cls,
        data_class: DataClass,
        region: str,
        now: datetime,
        day: date | None,
        *,
        tenant: str,
        entropy: Entropy,
        key: str | None = None,
        secret: bytes = b"",
    ) -> Self:
        """A new id. The same ``key`` on the same day and for the same retention: the same record.

        ``secret`` keys the hash, so that an id does not give away the key that it was made of.
        """
        minted = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if key is None:
            unique = entropy(16)
        else:
            parts = (tenant, data_class.value, minted.date().isoformat(), str(day), key)
            framed = b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)
            unique = hmac.digest(secret, b"domicile id" + framed, hashlib.sha256)[:16]
        return cls(data_class, region, minted, day, unique)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form. Raises MalformedId."""
        made: Self | None = None
        try:
            name, region, packed = text.split(".")
            raw = base64.b32hexdecode(packed.upper() + "=")
            minted = _EPOCH + timedelta(milliseconds=int.from_bytes(raw[:6]))
            days = int.from_bytes(raw[6:8])
            day = _DAY_ZERO + timedelta(days=days) if days else None
            made = cls(DataClass(name), region, minted, day, raw[8:])
        except (ValueError, OverflowError, AttributeError):
            made = None
        if made is None or str(made) != text or not _REGION.fullmatch(made.region):
            raise MalformedId(advice=_LOOKS)
        return made

    def __str__(self) -> str:
        """The text form."""
        since = self.minted - _EPOCH
        days = (self.day - _DAY_ZERO).days if self.day else 0
        raw = (since // timedelta(milliseconds=1)).to_bytes(6) + days.to_bytes(2) + self.unique
        packed = base64.b32hexencode(raw).decode().rstrip("=").lower()
        return f"{self.data_class}.{self.region}.{packed}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """A signed agreement of a customer with us."""

    kind: AgreementKind
    signed: date
    until: date | None = None  # the first day on which it does not hold any more

    def in_force(self, on: date) -> bool:
        """Whether it holds on that day."""
        return self.signed <= on and (self.until is None or on < self.until)


def Dpa(*, signed: date, until: date | None = None) -> Agreement:  # noqa: N802 - reads as the value it makes
    """A data processing agreement (GDPR, article 28)."""
    return Agreement("dpa", signed, until)


@dataclass(frozen=True, slots=True)
class TenantSpec:
    """A customer's project: where it lives, and on what terms.

    ``retention`` shortens the topology's retention per class, in days; 0 stores nothing.
    ``dedicated`` gives it packs and day keys of its own.
    """

    id: str
    account: str
    home: str
    residency: str
    service: str = "api"
    agreements: tuple[Agreement, ...] | list[Agreement] = ()
    retention: Mapping[DataClass, int] = field(default_factory=dict)
    dedicated: bool = False


class ScopeKind(StrEnum):
    """What an erasure or a hold covers."""

    RECORD = "record"
    SUBJECT = "subject"
    GROUP = "group"
    TENANT = "tenant"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Scope:
    """What to erase, or to hold.

    An erasure takes along what derives from it, where the topology says so; a hold of a record is
    of that record alone.
    """

    kind: ScopeKind
    value: str = field(default="", repr=False)

    @classmethod
    def record(cls, record_id: RecordId | str) -> Self:
        """One record, and what derives from it."""
        return cls(ScopeKind.RECORD, str(record_id))

    @classmethod
    def subject(cls, name: str) -> Self:
        """Everything about one end user of the tenant."""
        return cls(ScopeKind.SUBJECT, name)

    @classmethod
    def group(cls, name: str) -> Self:
        """One conversation of the tenant."""
        return cls(ScopeKind.GROUP, name)

    @classmethod
    def tenant(cls) -> Self:
        """All records of the tenant."""
        return cls(ScopeKind.TENANT)

    @classmethod
    def account(cls, account: str) -> Self:
        """All records of all tenants of an account (``store.erase``)."""
        return cls(ScopeKind.ACCOUNT, account)


class Reason(StrEnum):
    """Why something is erased."""

    SUBJECT_REQUEST = "subject_request"
    CUSTOMER_REQUEST = "customer_request"
    CONTRACT_END = "contract_end"


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be stored."""

    data_class: DataClass
    body: bytes = field(repr=False)
    id: RecordId | None = None
    subject: str | None = field(default=None, repr=False)
    group: str | None = field(default=None, repr=False)
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
    derived_from: tuple[RecordId, ...] = ()
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of a write.

    ``stored`` is False under zero retention: nothing was written anywhere. ``deadline`` is when
    its bytes are gone at the latest (None: kept until deleted); it is readable until a purge
    bound before.
    """

    id: RecordId
    stored: bool
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What is known of a record without opening it. ``size`` is of the body, in bytes."""

    id: RecordId
    data_class: DataClass
    size: int
    written: datetime
    deadline: datetime | None
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Record:
    """An opened record."""

    info: RecordInfo
    body: bytes = field(repr=False)
    metadata: Mapping[str, object] = field(repr=False)

    @property
    def id(self) -> RecordId:
        """Its id."""
        return self.info.id


class ErasureState(StrEnum):
    """How far an erasure is: reads refuse from FENCED on."""

    FENCED = "fenced"  # nothing it covers can be read; rows and bytes are still to go
    DEFERRED = "deferred"  # a hold keeps some of it; the rest goes, and this when it is released
    PURGING = "purging"  # rows and record keys are gone; bytes are still to go
    COMPLETE = "complete"  # every byte has been seen to be absent; there is a receipt


class CopyState(StrEnum):
    """A copy is what one processor was handed of one record."""

    ANNOUNCED = "announced"  # it may be on its way, or have arrived
    DELIVERED = "delivered"  # the processor has it
    REQUESTED = "requested"  # it must go; asked for until the processor says that it is gone
    CONFIRMED = "confirmed"  # acknowledged by the processor, or attested by a person


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a record at a processor. By ``deadline`` it is to be gone.

    ``how``: ``acknowledged`` (signed by the processor) or ``attested`` (recorded by a person), and
    ``digest`` is the SHA-256 of the signed acknowledgement, or of the person's document.
    """

    id: UUID
    tenant: str
    processor: str
    data_class: DataClass
    state: CopyState
    announced: datetime
    deadline: datetime
    requested: datetime | None
    attempts: int
    next_attempt: datetime | None
    last_error: str | None
    acknowledged: datetime | None
    how: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A copy that was handed over.

    ``content`` is None if the connector has delivered it. Where people carry it (connectors of kind
    manual) it is the copy, to be taken there under its id.
    """

    copy: UUID
    processor: str
    deadline: datetime
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Left:
    """What an erasure still waits for on one backend; at a processor ``replicas`` are copies."""

    backend: str
    replicas: int
    last_error: str | None
    next_attempt: datetime | None


@dataclass(frozen=True, slots=True)
class Deferral:
    """How many records of an erasure a hold has kept, and for how long (None: it still does).

    Counting stops at 10,000.
    """

    hold: UUID
    records: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """One durable request to destroy a scope, and how far it is."""

    id: UUID
    region: str
    tenant: str
    scope: ScopeKind
    reason: Reason
    state: ErasureState
    requested: datetime
    fenced: datetime  # since when nothing of it can be read
    completed: datetime | None
    deleted: int  # records deleted so far
    left: tuple[Left, ...]
    receipt: str | None = field(default=None, repr=False)  # one line; see storage.evidence.receipts
    deferred: tuple[Deferral, ...] = ()  # never complete while one of them has no end


@dataclass(frozen=True, slots=True)
class AccountErasure:
    """The erasures of all tenants of an account, one per tenant.

    ``not_reached`` names the regions in which nothing is fenced yet: ask again there.
    """

    account: str
    erasures: tuple[Erasure, ...]
    not_reached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """A legal hold to be placed: what it covers, why, and when somebody must look at it again.

    ``future``: whether it covers what is minted after it was placed. No ``classes``: all of them.
    ``minted_from`` and ``minted_to`` (exclusive) say when the record's id was minted. ``matter``,
    ``authority`` and ``issuer`` are short texts of yours; they are in no log and in no error.
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
    """A legal hold as the catalog has it. In force until ``released``."""

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
    """An expiry day that had begun to go before a hold came, and how many of its records."""

    day: date
    records: int


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold, and what it found. Counting stops at 10,000.

    ``records`` are held from now on. It came too late for the records in ``expiring``, and for
    those that ``erasures`` had deleted by then: they are gone, unless another hold keeps them.
    """

    hold: Hold
    records: int
    expiring: tuple[ExpiringDay, ...]
    erasures: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class PutFailure:
    """What kept one record of ``put_many`` from being stored."""

    id: RecordId | None
    error: DomicileError


class ReplicaState(StrEnum):
    """A replica is one attempt to write one object to one backend."""

    WRITING = "writing"  # announced; the PUT may be under way until its deadline
    STORED = "stored"  # the backend acknowledged it
    PURGING = "purging"  # must go; tried again until it is seen to be absent
    GONE = "gone"  # seen absent, later than any attempt to write it could land


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of the object that holds a record."""

    backend: str
    state: ReplicaState


class PlacementReason(StrEnum):
    """Why a backend may or may not hold a record."""

    ALLOWED = "allowed"
    SPARE = "spare"  # allowed, but enough other backends are preferred
    OTHER_REGION = "other_region"  # within the residency, but not the tenant's home
    OUTSIDE_RESIDENCY = "outside_residency"
    SUB_PROCESSOR_NOT_YET = "sub_processor_not_yet"
    SUB_PROCESSOR_ENDED = "sub_processor_ended"
    CATALOG_SUB_PROCESSOR_NOT_YET = "catalog_sub_processor_not_yet"
    CATALOG_SUB_PROCESSOR_ENDED = "catalog_sub_processor_ended"
    KEYS_SUB_PROCESSOR_NOT_YET = "keys_sub_processor_not_yet"
    KEYS_SUB_PROCESSOR_ENDED = "keys_sub_processor_ended"
    BACKUPS_SUB_PROCESSOR_NOT_YET = "backups_sub_processor_not_yet"
    BACKUPS_SUB_PROCESSOR_ENDED = "backups_sub_processor_ended"
    UNKNOWN_CLASS = "unknown_class"
    SERVICE_NOT_SERVED = "service_not_served"
    UNKNOWN_RESIDENCY = "unknown_residency"
    UNKNOWN_HOME = "unknown_home"
    DPA_MISSING = "dpa_missing"
    DPA_NOT_YET = "dpa_not_yet"
    DPA_EXPIRED = "dpa_expired"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a backend may hold a record, and why."""

    backend: str
    region: str
    allowed: bool
    reason: PlacementReason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a record is here and not there."""

    id: RecordId
    verdicts: tuple[Verdict, ...]
    replicas: tuple[Replica, ...]
    readable_until: datetime | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class BackendState:
    """A backend as its region's catalog sees it.

    ``replicas`` and ``bytes`` (sealed): what is stored there. ``missing``: replicas that are still
    to be made. ``purging``: replicas that must go. ``oldest_overdue``: since when the oldest of
    them has to, if that is more than an hour ago. ``scrubbed``: when a scrub last came to its end;
    ``unmended``: how much that could not repair.
    """

    backend: str
    replicas: int
    bytes: int
    missing: int
    purging: int
    oldest_overdue: datetime | None
    scrubbed: datetime | None = None
    unmended: int = 0


@dataclass(frozen=True, slots=True)
class ProcessorState:
    """A processor as a region's catalog sees it: copies there, and those that should be gone.

    ``overdue_since`` is the deadline of the oldest that is overdue.
    """

    processor: str
    copies: int
    requested: int
    overdue: int
    overdue_since: datetime | None


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """How a region is.

    ``records`` (that expire) and ``files`` are counted up to 1,000,000. ``bytes``: sealed, of all
    stored objects, once. ``open_erasures``: not complete. ``overdue_erasure``: when the oldest was
    asked for whose rows are there after an hour, or whose bytes are after the compaction window and
    the purge bound. ``overdue_days``: expiry days that were over a purge bound ago, and of which
    anything is left. ``partition_horizon``: the last day that has a partition; ``horizon_alarm``:
    too few days ahead. ``clocks_apart``: this machine's clock and the database's are, so nothing is
    destroyed by workers on this machine. ``unread``: backends that were silent when the catalog was
    recovered, and still are: there is no receipt before what they alone know has been read.
    """

    region: str
    records: int
    files: int
    bytes: int
    open_erasures: int
    overdue_erasure: datetime | None
    overdue_days: int
    backends: tuple[BackendState, ...]
    partition_horizon: date | None
    horizon_alarm: bool
    clocks_apart: bool
    holds: int = 0  # in force
    overdue_reviews: int = 0  # of those, somebody should have looked again
    deferred_erasures: int = 0
    processors: tuple[ProcessorState, ...] = ()
    unread: tuple[str, ...] = ()
