"""Records: what a caller stores, and what a caller reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from regions.model import DataClass
from storage.errors import DomicileError
from storage.model.ids import RecordId


@dataclass(frozen=True, slots=True)
class Origin:
    """Where data from before Domicile comes from.

    ``date``: the UTC day on which it came in; its retention counts from there. ``source``: the
    SHA-256 of what it was taken from, such as the export of another system.
    """

    date: date
    source: bytes


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to store. ``keep_days``: how long, if for fewer days than its tenant keeps it."""

    data_class: DataClass
    body: bytes = field(repr=False)
    id: RecordId | None = None
    subject: str | None = field(default=None, repr=False)
    group: str | None = field(default=None, repr=False)
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
    derived_from: tuple[RecordId, ...] = ()
    incomplete: bool = False
    origin: Origin | None = None  # of data from before Domicile
    keep_days: int | None = None


@dataclass(frozen=True, slots=True)
class PutResult:
    """The result of a write.

    ``stored`` is False under zero retention: nothing was written. ``deadline`` is when the bytes
    are gone at the latest (None: kept until deleted); the record is readable until a purge bound
    earlier.
    """

    id: RecordId
    stored: bool
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class PutFailure:
    """The error of one record of ``put_many`` that was not stored."""

    id: RecordId | None
    error: DomicileError


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What is known of a record without opening it.

    ``size`` is the size of the body, in bytes. ``flagged``: it has a flag. ``origin``: that of data
    from before Domicile.
    """

    id: RecordId
    data_class: DataClass
    size: int
    written: datetime
    deadline: datetime | None
    incomplete: bool
    flagged: bool = False
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An opened record."""

    info: RecordInfo
    body: bytes = field(repr=False)
    metadata: Mapping[str, object] = field(repr=False)

    @property
    def id(self) -> RecordId:
        """The id of the record."""
        return self.info.id
