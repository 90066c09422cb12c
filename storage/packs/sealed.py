"""One record on its way into a pack."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from storage.catalog.engine import check_process
from storage.catalog.fences import FenceQuery
from storage.catalog.records import Row
from storage.catalog.tenants import TenantTerms
from storage.errors import DomicileError, Erased, LineageConflict
from storage.model import DataClass, Origin, PutResult, RecordId

Name = tuple[str, bytes]
"""Tenant and unique part of an id: what identifies a record in a region."""

LINEAGE = 64  # the most records that one record may derive from, over all generations


class Pending(Future[PutResult]):
    """The result of a write. It cannot be cancelled: its record shares a pack with other records.

    A process that was forked meanwhile has no thread that would ever give it, so its calls there
    raise InvalidRequest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()
        self.set_running_or_notify_cancel()

    def done(self) -> bool:
        """Return whether the result is known."""
        check_process(self._process)
        return super().done()

    def result(self, timeout: float | None = None) -> PutResult:
        """Wait for the result, or raise its error."""
        check_process(self._process)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the result; return its error, None if it is stored."""
        check_process(self._process)
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Future[PutResult]], object]) -> None:
        """Call ``fn`` when the result is known. asyncio waits by this."""
        check_process(self._process)
        super().add_done_callback(fn)


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
    """A sealed record that waits for its pack. Its future is resolved once.

    ``placed``: the UTC day of which its lane was decided.
    """

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
    content: tuple[bytes, ...] = field(default=(), repr=False)  # what the fingerprint covers
    fingerprint: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)  # empty if streamed
    size: int = 0
    length: int = 0
    start: int = 0
    unread: Callable[[], bytes] | None = field(default=None, repr=False)  # to the end
    future: Future[PutResult] = field(default_factory=Pending, repr=False)

    @property
    def tenant(self) -> str:
        """The id of its tenant."""
        return self.terms.spec.id

    @property
    def name(self) -> Name:
        """Tenant and unique part of the id."""
        return self.tenant, self.id.unique

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
        )

    def succeed(self) -> None:
        """Resolve the future: stored. The first answer stands."""
        with suppress(InvalidStateError):
            self.future.set_result(PutResult(self.id, stored=True, deadline=self.deadline))

    def fail(self, error: BaseException) -> None:
        """Resolve the future: not stored, or unknown. The first answer stands."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


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
