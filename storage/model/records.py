"""Records: what a caller stores, and what a caller reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import overload

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
    """A record to store.

    ``keep_days``: how long, if for fewer days than its tenant keeps it. ``readable_until``: when
    reading ends, if before its last day is over.
    """

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
    readable_until: datetime | None = None


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

    ``size`` is the size of the body, in bytes. ``readable_until``: when reading ends, by the
    retention of today. ``flagged``: it has a flag. ``origin``: that of data from before Domicile.
    ``listed``: what its class declares as listed of its metadata; empty unless it was opened.
    ``metadata_version``: how often its metadata was replaced.
    """

    id: RecordId
    data_class: DataClass
    size: int
    written: datetime
    deadline: datetime | None
    incomplete: bool
    flagged: bool = False
    origin: Origin | None = None
    listed: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)
    readable_until: datetime | None = None
    metadata_version: int = 0


@dataclass(frozen=True, slots=True)
class Page(Sequence[RecordInfo]):
    """One page of a listing: a sequence of its rows.

    ``has_more``: there were more when it was read.
    """

    rows: tuple[RecordInfo, ...]
    has_more: bool

    @property
    def cursor(self) -> RecordId | None:
        """What the next page comes ``after``. None if this one has no row."""
        return self.rows[-1].id if self.rows else None

    @overload
    def __getitem__(self, index: int) -> RecordInfo: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RecordInfo, ...]: ...
    def __getitem__(self, index: int | slice) -> RecordInfo | tuple[RecordInfo, ...]:
        """Return a row, or several."""
        return self.rows[index]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Count:
    """How many records there are. ``stopped``: more than that, which were not counted."""

    number: int
    stopped: bool


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


@dataclass(frozen=True, slots=True)
class GetFailure:
    """The error of one record of ``get_many``. ``id``: as it was given."""

    id: RecordId | str
    error: DomicileError
