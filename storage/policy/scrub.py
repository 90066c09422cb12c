"""Compare what a backend shows under a key with the catalog row of the replica."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.model import ReplicaState

_EVERY, _SOON = timedelta(days=7), timedelta(days=1)


class Finding(StrEnum):
    """What a scrub found."""

    MISSING = "missing"  # a stored replica cannot be read under its key
    WRONG_SIZE = "wrong_size"
    CORRUPT = "corrupt"  # the bytes differ from those written
    LEFTOVER = "leftover"  # a version, marker, upload or temporary file beside a stored replica
    CAME_BACK = "came_back"  # the replica had been seen absent
    WRONG_BACKEND = "wrong_place"  # the object does not belong on this backend
    ORPHAN = "orphan"  # no row knows the key
    FOREIGN = "foreign"  # the name is not a valid key, so no row ever knew it


class Done(StrEnum):
    """What a scrub did about a finding."""

    PURGED = "purged"
    PURGING = "purging"  # queued for purge
    REPLACING = "replacing"  # queued for purge, and for a new replica made from a good one
    REASSIGNING = "moving"  # queued for a new replica on a lawful backend
    WAITING = "waiting"  # the first scrub after its grace period purges it
    UNREPAIRED = "unmended"  # a person must act, or a backend must answer


@dataclass(frozen=True, slots=True)
class Expected:
    """A replica as its row states it."""

    state: ReplicaState
    stored: bool  # the object is stored
    size: int
    wanted: bool  # the object belongs on this backend


def judge(
    expected: Expected | None, *, readable: int | None, others: int, elsewhere: bool, lawful: bool
) -> Finding | None:
    """Return what is wrong with a key on a backend, or None.

    ``expected``: its row for this backend. ``elsewhere``: it has a row for another backend.
    ``readable``: the size of what can be read under the key now. ``others``: the number of other
    versions, markers, uploads and temporary files. ``lawful``: the backend may hold bytes today.
    """
    there = readable is not None or others > 0
    if expected is None:
        orphan = Finding.WRONG_BACKEND if elsewhere else Finding.ORPHAN
        return orphan if there else None
    if expected.state is ReplicaState.GONE:
        return Finding.CAME_BACK if there else None
    if expected.state is not ReplicaState.STORED or not expected.stored:
        return None  # a writer or the purge queue is still working on it
    if readable != expected.size:
        return Finding.MISSING if readable is None else Finding.WRONG_SIZE
    if others:
        return Finding.LEFTOVER
    return None if expected.wanted and lawful else Finding.WRONG_BACKEND


def reassign(backends: Sequence[str], lawful: Sequence[str]) -> tuple[str, ...]:
    """Return the backends that an object belongs on, with a lawful one in place of each unlawful.

    ``lawful`` is in order of preference. The result is shorter if too few are lawful.
    """
    kept = [name for name in backends if name in lawful]
    spare = [name for name in lawful if name not in backends]
    return (*kept, *spare[: len(backends) - len(kept)])


def sampled(seed: bytes, key: str, share: float) -> bool:
    """Whether a key is in the sample whose bytes are read in full; the same for the same seed."""
    drawn = int.from_bytes(hashlib.sha256(seed + key.encode()).digest()[:8])
    return drawn < share * 2**64


def next_scrub(now: datetime, *, unfinished: int) -> datetime:
    """Return when to scrub again: in a week, or in a day if ``unfinished`` findings remain."""
    return now + (_SOON if unfinished else _EVERY)
