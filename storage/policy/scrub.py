"""What is wrong with a key of a backend, given its row and what the backend shows of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.model import ReplicaState

_EVERY, _SOON = timedelta(days=7), timedelta(days=1)


class Finding(StrEnum):
    """What a scrub finds."""

    MISSING = "missing"  # a stored replica that cannot be read under its key
    WRONG_SIZE = "wrong_size"
    CORRUPT = "corrupt"  # other bytes than were written
    LEFTOVER = "leftover"  # a version, a marker, an upload or a file beside a stored replica
    CAME_BACK = "came_back"  # it had been seen to be absent
    WRONG_PLACE = "wrong_place"  # on a backend that is not to have it
    ORPHAN = "orphan"  # no row knows of it
    FOREIGN = "foreign"  # under a name that is no key, so that no row ever knew of it


class Done(StrEnum):
    """What a scrub has done about it."""

    PURGED = "purged"  # it is gone
    PURGING = "purging"  # the purge queue has it
    REPLACING = "replacing"  # the purge queue has it, and another is made of one that is good
    MOVING = "moving"  # another is made first, where it may be
    WAITING = "waiting"  # purged by the first scrub after its grace time
    UNREPAIRED = "unmended"  # a person has to see to it, or a backend to answer


@dataclass(frozen=True, slots=True)
class Expected:
    """A replica as its row has it. ``wanted``: its object is to be on that backend."""

    state: ReplicaState
    stored: bool  # its object is
    size: int
    wanted: bool


def judge(
    expected: Expected | None, *, readable: int | None, others: int, elsewhere: bool, lawful: bool
) -> Finding | None:
    """What is wrong with a key of a backend, if anything is.

    ``expected``: its row for this backend; ``elsewhere``: it has one for another. ``readable``: the
    size of what can be read under the key now; ``others``: how many versions, markers, uploads and
    temporary files there are beside. ``lawful``: the backend may be given bytes today.
    """
    there = readable is not None or others > 0
    if expected is None:
        orphan = Finding.WRONG_PLACE if elsewhere else Finding.ORPHAN
        return orphan if there else None
    if expected.state is ReplicaState.GONE:
        return Finding.CAME_BACK if there else None
    if expected.state is not ReplicaState.STORED or not expected.stored:
        return None  # being written or purged: somebody else's work
    if readable is None or readable != expected.size:
        return Finding.MISSING if readable is None else Finding.WRONG_SIZE
    if others:
        return Finding.LEFTOVER
    return None if expected.wanted and lawful else Finding.WRONG_PLACE


def rehomed(backends: Sequence[str], lawful: Sequence[str]) -> tuple[str, ...]:
    """Where an object is to be from now on: a lawful place for each that may not have it."""
    kept = [name for name in backends if name in lawful]
    spare = [name for name in lawful if name not in backends]
    return (*kept, *spare[: len(backends) - len(kept)])


def sampled(seed: bytes, key: str, share: float) -> bool:
    """Whether a key is among those of which all bytes are read: always the same for one seed."""
    drawn = int.from_bytes(hashlib.sha256(seed + key.encode()).digest()[:8])
    return drawn < share * 2**64


def next_scrub(now: datetime, *, unfinished: int) -> datetime:
    """When to begin again: in a week, or tomorrow if something is left for the next scrub."""
    return now + (_SOON if unfinished else _EVERY)
