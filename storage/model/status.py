"""The status of a region, its backends and its processors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from storage.errors import DomicileError
from storage.model.posture import PostureState


@dataclass(frozen=True, slots=True)
class BackendState:
    """The state of a backend in its region's catalog.

    ``replicas`` and ``bytes`` (sealed): what is stored there. ``missing``: replicas still to make.
    ``purging``: replicas that must go. ``oldest_overdue``: since when the oldest of them must go,
    if that is more than an hour ago. ``scrubbed``: when a scrub last completed; ``unrepaired``:
    how many faults it could not repair. ``orphans``: keys there that no row of the catalog knows,
    and that keep receipts from being signed.
    """

    backend: str
    replicas: int
    bytes: int
    missing: int
    purging: int
    oldest_overdue: datetime | None
    scrubbed: datetime | None = None
    unrepaired: int = 0
    orphans: int = 0


@dataclass(frozen=True, slots=True)
class ProcessorState:
    """The state of a processor in a region's catalog: copies there, and copies to be deleted.

    ``overdue_since`` is the deadline of the oldest overdue copy.
    """

    processor: str
    copies: int
    requested: int
    overdue: int
    overdue_since: datetime | None


@dataclass(frozen=True, slots=True)
class LeavingState:
    """A backend that is emptied: it retires, or the agreement of its company ends.

    ``left``: replicas that are not yet seen absent, up to 1,000,000; ``moved``: those that are,
    since it began. ``until``: the first day on which nothing may be there; ``overdue``: that day
    has come, and something is. ``statement``: the signed statement that it is empty.
    """

    backend: str
    left: int
    moved: int
    until: date | None
    overdue: bool
    statement: str | None


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """The status of a region.

    ``records`` (that expire) and ``files`` are counted up to 1,000,000. ``bytes``: of all stored
    objects, sealed, one replica each. ``open_erasures``: not complete. ``overdue_erasure``: when
    the oldest overdue erasure was requested; it is overdue if rows are left after an hour, or bytes
    after the compaction window and the purge bound. ``overdue_days``: expiry days that ended more
    than a purge bound ago and of which anything is left. ``partition_horizon``: the last day that
    has a partition; ``horizon_alarm``: it is too near. ``clocks_disagree``: this machine's clock
    and that of the database, so workers on this machine destroy nothing. ``unread``: backends
    that did not answer when the catalog was recovered and still do not; there is no receipt until
    their ledger entries have been read. ``leaving``: backends that are emptied.
    ``postures``: of the backends whose posture is not all ok. ``blocked``: too few backends take
    anything new, so writes, erasures, holds and expiry stop.
    ``ended_agreements``: tenants whose agreements have all ended, up to 1,000,000; their data stays
    until it expires or is erased. ``stored_without_agreement``: records of tenants that lack one
    which they need, up to 10,000. ``overdue_exits``: tenants that are stored after the end of the
    agreement and of which nobody has confirmed what happens to their data, up to 1,000,000.
    ``forged_checkpoints``: rows among the newest 100 of the log that the region did not sign; they
    do not count.
    ``objections_moving``: objections in force of which something is left at the company, and
    ``objections_overdue``: those of them whose day has come, up to 1,000,000.
    ``log_waits_since``: when the oldest line of the log was made that is in no checkpoint, if that
    is more than an hour ago. ``unpinned``: people are in the roster, and no approver's key is
    pinned, so they open nothing; False also if the key service does not answer.
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
    clocks_disagree: bool
    holds: int = 0  # in force
    overdue_reviews: int = 0  # holds in force whose review date has passed
    unconfirmed_holds: int = 0  # holds in force that no second person has confirmed
    overdue_confirmations: int = 0  # those of them that 72 hours have passed for
    deferred_erasures: int = 0
    processors: tuple[ProcessorState, ...] = ()
    unread: tuple[str, ...] = ()
    leaving: tuple[LeavingState, ...] = ()
    ended_agreements: int = 0
    stored_without_agreement: int = 0
    overdue_exits: int = 0
    postures: tuple[PostureState, ...] = ()
    blocked: bool = False
    objections_moving: int = 0
    objections_overdue: int = 0
    forged_checkpoints: int = 0
    log_waits_since: datetime | None = None
    unpinned: bool = False


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """What the cells of one place have together. Holds over several cells count in each."""

    place: str
    cells: tuple[str, ...]
    records: int
    files: int
    bytes: int
    open_erasures: int
    deferred_erasures: int
    holds: int


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The status of the regions that a process serves.

    ``regions``: those that answered. ``failed``: the errors of the others, by region. ``places``:
    the sums of those that have several cells here.
    """

    regions: tuple[RegionStatus, ...]
    failed: Mapping[str, DomicileError]
    places: tuple[PlaceStatus, ...] = ()
