"""What emptying a backend takes, and which evidence of a drain still counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Effort:
    """The requests and bytes that moving replicas takes. ``seconds``: None without a rate."""

    gets: int
    puts: int
    deletes: int
    lists: int
    bytes: int
    seconds: float | None


def effort(replicas: int, size: int, *, homes: int, rate: float | None) -> Effort:
    """Return the most that moving takes.

    ``homes``: how many backends each object belongs on; ``rate``: replicas a second. Each object
    is read once to be copied and read whole where it belongs; it is written once; each replica that
    leaves is listed before and after it is deleted.
    """
    return Effort(
        gets=replicas * (1 + homes),
        puts=replicas,
        deletes=replicas,
        lists=2 * replicas,
        bytes=size * (2 + homes),
        seconds=replicas / rate if rate else None,
    )


@dataclass(frozen=True, slots=True)
class Locked:
    """How long object locks keep what could not be deleted.

    ``until``: the latest end of a retention period that was seen, ``held``: whether a legal hold
    was. ``complete``: whether all that was refused was looked at.
    """

    until: datetime | None
    held: bool
    complete: bool

    @property
    def text(self) -> str:
        """Say it."""
        if self.held:
            return "legal hold, no end"
        end = "" if self.until is None else f"locked until {self.until:%Y-%m-%d}"
        return end if self.complete else f"{end} or later"


def longest(locks: Iterable[tuple[datetime | None, bool]], *, complete: bool) -> Locked | None:
    """Return how long locks keep what was refused. None: no lock was seen.

    ``locks``: of each replica that was looked at, the end of its retention and whether it is held.
    """
    found = list(locks)
    ends = [end for end, _ in found if end is not None]
    held = any(held for _, held in found)
    return Locked(max(ends, default=None), held, complete) if ends or held else None


def is_later(at: datetime, given: Iterable[datetime]) -> bool:
    """Return whether evidence of a moment shows that a company has no part of a region any more.

    ``given``: when each topology was last seen that gives it the part. What was said before is
    about an earlier time in which the company had it.
    """
    return all(at > moment for moment in given)
