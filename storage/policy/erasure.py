"""What is destroyed, when, and when that may be called done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from regions.model import Bounds
from storage.errors import Held, Refused
from storage.model import CopyState, ReplicaState, utc

Action = Literal["purge", "compact", "expires"]
Target = Literal["record", "object", "replica", "key", "partition", "orphan", "copy"]

_APART = timedelta(minutes=1)
_RECOVERING = timedelta(days=7)
_STATES: Mapping[Target, tuple[str, ...]] = {
    "record": ("erased", "released"),
    "object": ("writing", "stored"),
    "replica": (ReplicaState.PURGING,),
    "key": ("expiring", "dropped"),
    "partition": ("expiring",),
    "orphan": ("unknown",),
    "copy": (CopyState.REQUESTED,),
}
_UNTIMELY: Mapping[Target, str] = {
    "record": "not_given_up",
    "object": "not_there",
    "replica": "not_purging",
    "key": "day_not_expiring",
    "partition": "day_not_expiring",
    "orphan": "announced",
    "copy": "not_requested",
}

STRAY_GRACE = timedelta(days=3)
"""How long what no row knows of is left, for a person to see: a weekend, and more than any write
that was announced may need (a day after its deadline, at most)."""


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """What becomes of an object that an erasure has taken records from.

    ``purge`` it, ``compact`` it (copy the survivors, then purge), or leave it because it
    ``expires`` first; from ``at`` on. Reason codes: ``nothing_alive``, ``survivors``,
    ``expires_first``.
    """

    action: Action
    at: datetime
    reason: str


def plan_erasure(
    *, live: int, expiry_day: date | None, now: datetime, bounds: Bounds
) -> ObjectPlan:
    """What to do with an object in which ``live`` records are left, held ones included.

    Whichever it is, it begins within a compaction window. That is counted from the first erasure
    that asks: a plan to compact that exists already stands, and serves the later ones.
    """
    moment = utc(now)
    if live <= 0:
        return ObjectPlan("purge", moment, "nothing_alive")
    rewrite = moment + bounds.compaction
    end = _midnight(expiry_day) if expiry_day is not None else None
    if end is not None and end <= rewrite:
        return ObjectPlan("expires", end, "expires_first")
    return ObjectPlan("compact", rewrite, "survivors")


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether something may be destroyed.

    Reason codes: ``allowed``; ``held``; ``not_given_up`` (no erasure covers the record, and no hold
    has let it go); ``not_there`` (the object is on its way out already); ``not_purging`` (nobody
    has given the replica up); ``day_not_expiring`` (records may still be added to the day);
    ``day_not_over`` (or still read); ``announced`` (a row knows of it); ``in_grace`` (it was seen
    for the first time lately); ``not_requested`` (nobody has asked the copy back).
    """

    allowed: bool
    reason: str

    def demand(self) -> None:
        """Raises Held, or Refused for any other reason, unless it is allowed."""
        if self.reason == "held":
            raise Held(reasons=("held",), advice="See: domicile hold list")
        if not self.allowed:
            raise Refused("It may not be destroyed now.", reasons=(self.reason,))


def may_destroy(
    *,
    what: Target,
    state: str,
    held: bool,
    now: datetime,
    day: date | None = None,
    since: datetime | None = None,
) -> Permit:
    """Whether it may be destroyed now. Every path that destroys asks this, whatever its reason.

    ``record``: a row with its record key; its ``state`` says why: ``erased``, or ``released`` (kept
    by a hold beyond its day, and by none any more). ``object``: a pack or a key object with all its
    replicas, and ``replica``: one of them, each with its own ``state``. ``partition``: all rows of
    the expiry day ``day``, and ``key``: the day keys of that day, with the day's ``state``.
    ``orphan``: what a backend has shown ``since`` then under a key of which no row of that backend
    is known; ``state`` is "unknown", or that of the row if there is one now. ``copy``: a copy at a
    processor, with its ``state``.
    ``held``: something under a legal hold still needs it. The caller has locked what it tells.
    """
    moment = utc(now)
    if held:
        return Permit(allowed=False, reason="held")
    if state not in _STATES[what]:
        return Permit(allowed=False, reason=_UNTIMELY[what])
    if what in ("key", "partition") and (day is None or moment < _midnight(day)):
        return Permit(allowed=False, reason="day_not_over")
    if what == "orphan" and (since is None or moment < utc(since) + STRAY_GRACE):
        return Permit(allowed=False, reason="in_grace")
    return Permit(allowed=True, reason="allowed")


def clocks_agree(apart: timedelta) -> bool:
    """Whether anything may be destroyed by the time: the database's clock or ours may be wrong.

    Nobody needs this to read: a record that is read a moment too long can still be destroyed, and
    one that was destroyed too early is lost.
    """
    return apart <= _APART


@dataclass(frozen=True, slots=True)
class Absence:
    """Whether an attempt to write an object counts as absent.

    Reason codes: ``absent``, ``left``, ``may_still_land``.
    """

    done: bool
    reason: str


def absent(*, left: int, now: datetime, land_by: datetime) -> Absence:
    """Whether an attempt is over for good: nothing is left of it, and nothing can land any more.

    ``left`` is the number of traces that were listed, no earlier than ``now``; ``land_by`` is the
    last moment at which the attempt could still have taken effect.
    """
    if left:
        return Absence(done=False, reason="left")
    if utc(now) <= utc(land_by):
        return Absence(done=False, reason="may_still_land")
    return Absence(done=True, reason="absent")


def cutoff(now: datetime, error: timedelta) -> datetime:
    """An erasure at ``now`` covers what was minted up to here.

    ``error``: how far any clock that mints may be ahead of the one that gave ``now``.
    """
    return utc(now) + error


def fence_until(covered: datetime, bounds: Bounds) -> datetime:
    """When nothing that was minted up to the cutoff ``covered`` is written any more.

    After that a fence may go, once its rows are gone. Holds only if a write asks ``too_old`` in the
    transaction that inserts it, by the same clock.
    """
    return utc(covered) + bounds.write_window


def ledger_from(now: datetime, backups: timedelta) -> datetime:
    """What the ledger told before then is in every backup of the catalog that there is.

    ``backups``: how long such a backup lives. A week more, for a recovery that takes its time.
    """
    return utc(now) - backups - _RECOVERING


def _midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time.min, UTC)
