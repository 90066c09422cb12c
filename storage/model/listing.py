"""The list of sub-processors: each company, what it runs or is given, and since when."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class PartKind(StrEnum):
    """How data reaches a company."""

    BACKEND = "backend"  # it stores the sealed content
    CATALOG = "catalog"  # it runs the database: rows, and sealed metadata
    KEYS = "keys"  # it keeps the key file
    BACKUPS = "backups"  # it stores the backups of the catalog
    COPIES = "copies"  # it is handed copies of records


class ListedState(StrEnum):
    """Whether a company may have data on a day."""

    ANNOUNCED = "announced"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Part:
    """What a company runs or is given in a region, and the data classes that reach it there.

    ``name``: the backend's, for the kind ``backend``.
    """

    region: str
    kind: PartKind
    classes: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A company on the list of sub-processors.

    ``announced``: None if it was there when the service began. ``until``: the first day on which it
    may have no data. ``listed``: when a catalog first had the company on its list; None if it was
    on the first list.
    """

    name: str
    title: str
    service: str
    jurisdictions: tuple[str, ...]
    locations: tuple[str, ...]
    products: tuple[str, ...]
    announced: date | None
    notice_days: int
    since: date
    until: date | None
    parts: tuple[Part, ...] = ()
    listed: date | None = None

    def state(self, on: date) -> ListedState:
        """Return whether it may have data on that UTC day."""
        if on < self.since:
            return ListedState.ANNOUNCED
        ended = self.until is not None and on >= self.until
        return ListedState.ENDED if ended else ListedState.ACTIVE

    @property
    def classes(self) -> tuple[str, ...]:
        """The data classes that reach it in any region."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.classes))

    def has_part_in(self, region: str) -> bool:
        """Return whether data of that region reaches it."""
        return any(part.region == region for part in self.parts)
