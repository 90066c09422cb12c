"""One record on its way into a pack."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from storage.catalog.fences import FenceQuery
from storage.catalog.records import Row
from storage.catalog.tenants import TenantTerms
from storage.errors import DomicileError, Erased, LineageConflict
from storage.model import DataClass, Origin, PutResult, RecordId
from storage.packs.answers import Answer

Name = tuple[str, bytes]
"""Tenant and unique part of an id: what identifies a record in a region."""

LINEAGE = 64  # the most records that one record may derive from, over all generations


Place = tuple[tuple[str, ...], int]
"""Backends, and how many of them a write needs."""


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What all records of one lane have in common."""

    backends: tuple[str, ...]
    keys_on: tuple[str, ...]  # every lawful backend of the region: day keys go to all of them
    required: int
    day: date | None
    tenant: str | None  # set: the pack is this tenant's alone

    @property
    def place(self) -> Place:
        """Where its packs go."""
        return self.backends, self.required


@dataclass(frozen=True, slots=True)
class Lineage:
    """The subject and group of a record, and the records that it derives from.

    ``subject`` and ``group``: every known pseudonym of the name, first the one to store.
    ``origin``: when the oldest of these records was minted.
    """

    subject: tuple[bytes, ...]
    group: tuple[bytes, ...]
    ancestors: tuple[bytes, ...]
    origin: datetime


@dataclass(slots=True)
class SealedRecord:
    """A sealed record that waits for its pack. It is answered once.

    ``placed``: the UTC day of which its lane was decided.
    """

    answer: Answer = field(repr=False)
    terms: TenantTerms
    id: RecordId
    deadline: datetime | None
    lane: LaneKey
    record_key: bytes = field(repr=False)
    streamed: bool
    placed: date
    lineage: Lineage = field(init=False)  # as given, then with that of its parents
    parents: tuple[RecordId, ...] = ()
    key_id: UUID = field(init=False)  # of a file: made when its bytes are written
    wrapped_key: bytes = field(init=False, repr=False)
    sealed_metadata: bytes | None = field(default=None, repr=False)
    incomplete: bool = False
    origin: Origin | None = None  # of data from before Domicile
    readable_until: datetime | None = None
    content: tuple[bytes, ...] = field(default=(), repr=False)  # what the fingerprint covers
    fingerprint: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)  # empty if streamed
    size: int = 0
    length: int = 0
    start: int = 0
    unread: Callable[[], bytes] | None = field(default=None, repr=False)  # to the end
    tenant: str = field(init=False)
    name: Name = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = self.terms.spec.id
        self.name = self.tenant, self.id.unique

    def whole(self) -> tuple[bytes, ...]:
        """Return what the fingerprint covers. Reads a stream to its end first."""
        return (self.unread(), *self.content) if self.unread is not None else self.content

    def fence_query(self) -> FenceQuery:
        """Return the query that tells whether a fence covers it."""
        lineage = self.lineage
        uids = (self.id.unique, *lineage.ancestors)
        event = self.id.minted if self.id.data_class is DataClass.EVENT else None
        named = (lineage.subject, lineage.group, lineage.origin)
        return FenceQuery(self.tenant, uids, *named, event, self.id)

    def row(self, object_id: UUID, written: datetime) -> Row:
        """Return its catalog row."""
        lineage = self.lineage
        return Row(
            self.id,
            self.tenant,
            lineage.origin,
            written,
            next(iter(lineage.subject), None),
            next(iter(lineage.group), None),
            lineage.ancestors,
            object_id,
            self.start,
            self.length,
            self.size,
            self.streamed,
            self.incomplete,
            self.key_id,
            self.wrapped_key,
            self.sealed_metadata,
            self.fingerprint,
            origin_date=self.origin.date if self.origin is not None else None,
            origin_source=self.origin.source if self.origin is not None else None,
            readable_until=self.readable_until,
        )

    def succeed(self) -> None:
        """Answer: stored. The first answer stands."""
        with suppress(InvalidStateError):
            self.answer.set_result(PutResult(self.id, stored=True, deadline=self.deadline))

    def fail(self, error: BaseException) -> None:
        """Answer: not stored, or unknown. The first answer stands."""
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


def inherit(own: Lineage, parents: Sequence[tuple[bytes, Lineage, bool]]) -> Lineage:
    """Add the lineage of a record's parents to its own.

    ``parents``: unique part, lineage, and whether erasing the parent erases this record. A record
    that derives from a subject's data gets that subject, so that an erasure finds it. Raises
    LineageConflict if it would have two.
    """
    subject = _one_name(own.subject, [p.subject for _, p, _ in parents])
    group = _one_name(own.group, [p.group for _, p, _ in parents])
    ancestors = {
        uid for unique, p, cascades in parents if cascades for uid in (unique, *p.ancestors)
    }
    if len(ancestors) > LINEAGE:
        raise LineageConflict(
            f"A record may derive from {LINEAGE} others, all generations together.",
            advice="Use a group for a long conversation.",
        )
    origin = min([own.origin, *(p.origin for _, p, _ in parents)])
    return Lineage(subject, group, tuple(sorted(ancestors)), origin)


def _one_name(own: tuple[bytes, ...], inherited: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Merge the pseudonyms of one name."""
    for other in inherited:
        if own and other and set(own).isdisjoint(other):
            raise LineageConflict(
                "The record and what it derives from have different subjects or groups.",
                advice="Leave subject and group out: they are inherited.",
            )
        own = tuple(dict.fromkeys((*own, *other)))
    return own


def lineage_of(row: Row) -> Lineage:
    """Return the lineage of a stored record."""
    return Lineage(
        () if row.subject is None else (row.subject,),
        () if row.group is None else (row.group,),
        row.ancestors,
        row.origin,
    )


def erased() -> DomicileError:
    """Return the error for a write that an erasure covers."""
    return Erased(
        "An erasure covers this record: its id, or what it derives from, is older.",
        advice="For new data, mint a new id.",
    )
