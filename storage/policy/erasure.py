"""Decide what is destroyed, when, and when its destruction counts as complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Literal

from regions.model import WRITE_WINDOW, Bounds
from storage.errors import Held, Refused
from storage.model import CopyState, ReplicaState, utc

Action = Literal["purge", "compact", "expires"]
Target = Literal["record", "object", "replica", "key", "partition", "orphan", "copy"]

_CLOCK_TOLERANCE = timedelta(minutes=1)
_RECOVERY_TIME = timedelta(days=7)

ORPHAN_GRACE: Final = timedelta(days=3)
"""How long an orphan (bytes without a row) is kept, so that a person can inspect it. It covers a
weekend, and exceeds the time that any announced write may need (a day after its deadline)."""


class PlanReason(StrEnum):
    """Why an object is purged, compacted or left to expire."""

    NOTHING_ALIVE = "nothing_alive"
    SURVIVORS = "survivors"
    EXPIRES_FIRST = "expires_first"


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """What happens to an object after an erasure has deleted some of its records.

    From ``at`` on: ``purge`` it, ``compact`` it (rewrite the survivors, then purge), or leave it
    because it ``expires`` first.
    """

    action: Action
    at: datetime
    reason: PlanReason


def plan_erasure(
    *, live: int, expiry_day: date | None, now: datetime, bounds: Bounds
) -> ObjectPlan:
    """Decide what to do with an object that has ``live`` records left, held ones included.

    The action begins within one compaction window, counted from the first erasure that asks: an
    existing plan to compact stands, and serves later erasures too.
    """
    moment = utc(now)
    if live <= 0:
        return ObjectPlan("purge", moment, PlanReason.NOTHING_ALIVE)
    rewrite = moment + bounds.compaction
    end = _midnight(expiry_day) if expiry_day is not None else None
    if end is not None and end <= rewrite:
        return ObjectPlan("expires", end, PlanReason.EXPIRES_FIRST)
    return ObjectPlan("compact", rewrite, PlanReason.SURVIVORS)


class DestroyReason(StrEnum):
    """Why something may or may not be destroyed."""

    ALLOWED = "allowed"
    HELD = "held"  # a legal hold needs it
    NOT_ERASED = "not_given_up"  # no erasure covers the record, and no hold has released it
    NOT_THERE = "not_there"  # the object is already marked for purge, abandoned or gone
    NOT_PURGING = "not_purging"  # the replica is not marked for purge
    DAY_NOT_EXPIRING = "day_not_expiring"  # records may still be added to the day
    DAY_NOT_OVER = "day_not_over"  # records of the day may still be read
    ANNOUNCED = "announced"  # a row knows the bytes: they are not an orphan
    IN_GRACE = "in_grace"  # the orphan was first seen less than ORPHAN_GRACE ago
    NOT_REQUESTED = "not_requested"  # deletion of the copy was not requested


_DESTROYABLE: Mapping[Target, tuple[str, ...]] = {
    "record": ("erased", "released"),
    "object": ("writing", "stored"),
    "replica": (ReplicaState.PURGING,),
    "key": ("expiring", "dropped"),
    "partition": ("expiring",),
    "orphan": ("unknown",),
    "copy": (CopyState.REQUESTED,),
}
_WRONG_STATE: Mapping[Target, DestroyReason] = {
    "record": DestroyReason.NOT_ERASED,
    "object": DestroyReason.NOT_THERE,
    "replica": DestroyReason.NOT_PURGING,
    "key": DestroyReason.DAY_NOT_EXPIRING,
    "partition": DestroyReason.DAY_NOT_EXPIRING,
    "orphan": DestroyReason.ANNOUNCED,
    "copy": DestroyReason.NOT_REQUESTED,
}


@dataclass(frozen=True, slots=True)
class Destruction:
    """Whether something may be destroyed, and why."""

    reason: DestroyReason

    @property
    def allowed(self) -> bool:
        """Whether it may be destroyed."""
        return self.reason is DestroyReason.ALLOWED

    def demand(self) -> None:
        """Raise Held under a legal hold, and Refused for any other reason, unless it is allowed."""
        if self.reason is DestroyReason.HELD:
            raise Held(reasons=(self.reason,), advice="See: domicile hold list")
        if not self.allowed:
            raise Refused("This may not be destroyed now.", reasons=(self.reason,))


def may_destroy(
    *,
    what: Target,
    state: str,
    held: bool,
    now: datetime,
    day: date | None = None,
    since: datetime | None = None,
) -> Destruction:
    """Decide whether something may be destroyed now. Every path that destroys asks this first.

    ``what`` and its ``state``:

    - ``record``: a row with its record key. ``erased``, or ``released`` (kept by a hold beyond its
      day, and by no hold any more).
    - ``object``: a pack or key object with all its replicas; its state.
    - ``replica``: one replica; its state.
    - ``partition``: all rows of the expiry day ``day``; the day's state.
    - ``key``: the day keys of the expiry day ``day``; the day's state.
    - ``orphan``: bytes that a backend has shown since ``since`` without a row for that backend.
      ``unknown``, or the state of the row if one exists now.
    - ``copy``: a copy at a processor; its state.

    ``held``: something under a legal hold still needs it. The caller holds the locks that keep
    ``state`` and ``held`` true.
    """
    moment = utc(now)
    if held:
        return Destruction(DestroyReason.HELD)
    if state not in _DESTROYABLE[what]:
        return Destruction(_WRONG_STATE[what])
    if what in ("key", "partition") and (day is None or moment < _midnight(day)):
        return Destruction(DestroyReason.DAY_NOT_OVER)
    if what == "orphan" and (since is None or moment < utc(since) + ORPHAN_GRACE):
        return Destruction(DestroyReason.IN_GRACE)
    return Destruction(DestroyReason.ALLOWED)


def clocks_agree(apart: timedelta) -> bool:
    """Whether the database's clock and ours agree well enough to destroy anything by the time.

    Reads do not ask this: a record that is read a moment too long can still be destroyed, but one
    that is destroyed too early is lost.
    """
    return apart <= _CLOCK_TOLERANCE


class AbsenceReason(StrEnum):
    """Why a replica counts or does not count as absent."""

    ABSENT = "absent"
    LEFT = "left"  # the backend still lists something
    MAY_STILL_LAND = "may_still_land"  # a write that timed out may still take effect


@dataclass(frozen=True, slots=True)
class Absence:
    """Whether a replica counts as absent for good, and why."""

    reason: AbsenceReason

    @property
    def done(self) -> bool:
        """Whether it counts as absent."""
        return self.reason is AbsenceReason.ABSENT


def absent(*, left: int, now: datetime, land_by: datetime) -> Absence:
    """Decide whether a replica is absent for good: nothing is left, and no write can land any more.

    ``left`` is the number of traces that were listed, no earlier than ``now``; ``land_by`` is the
    last moment at which the write could still take effect.
    """
    if left:
        return Absence(AbsenceReason.LEFT)
    if utc(now) <= utc(land_by):
        return Absence(AbsenceReason.MAY_STILL_LAND)
    return Absence(AbsenceReason.ABSENT)


def cutoff(now: datetime, error: timedelta) -> datetime:
    """Return the last minting time that an erasure at ``now`` covers.

    ``error``: how far the clock of a minting process may be ahead of the one that gave ``now``.
    """
    return utc(now) + error


def fence_until(covered: datetime) -> datetime:
    """Return the moment after which no id minted up to the cutoff ``covered`` can be written.

    A fence may be pruned after that, once its rows are gone. This holds only if each write calls
    ``too_old`` in the transaction that inserts it, with the same clock.
    """
    return utc(covered) + WRITE_WINDOW


def ledger_from(now: datetime, backups: timedelta) -> datetime:
    """Return the moment from which ledger entries must be kept.

    Older entries are in every backup of the catalog; ``backups`` is how long such a backup lives.
    A week is added for slow recoveries.
    """
    return utc(now) - backups - _RECOVERY_TIME


def _midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time.min, UTC)
