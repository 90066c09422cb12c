"""One difference between two topologies."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way a change goes."""

    BROADER = "broader"  # something is permitted that was not
    NARROWER = "narrower"  # something is not permitted that was
    CHANGED = "changed"  # neither


@dataclass(frozen=True, slots=True)
class Change:
    """One sentence about what differs."""

    direction: Direction
    topic: str
    says: str
