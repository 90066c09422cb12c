"""One record on its way into a pack."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from storage.catalog.fences import FenceQuery
from storage.catalog.records import Row
from storage.catalog.tenants import TenantTerms
from storage.errors import DomicileError, Erased, LineageConflict
from storage.model import PutResult, RecordId

LINEAGE = 64  # records that one record may derive from, all generations together


def uncancellable() -> Future[PutResult]:
    """A future that a caller cannot cancel: its record is in a pack with the records of others."""
    future: Future[PutResult] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(frozen=True, slots=True)
class LaneKey:
    """LaneKey a record goes: the lane is made of this."""

    backends: tuple[str, ...]
    keys_on: tuple[str, ...]  # every lawful backend of the region
    required: int
    day: date | None
    tenant: str | None  # set: the pack is this tenant's alone


@dataclass(frozen=True, slots=True)
class Lineage:
    """Whom a record is about, and what it derives from, its parents' share included.

    Subject and group: every pseudonym that is known of the name, the one to store first.
    """

    subject: tuple[bytes, ...]
    group: tuple[bytes, ...]
    ancestors: tuple[bytes, ...]
    origin: datetime


@dataclass(slots=True)
class SealedRecord:
    """A sealed record that waits for its pack. Its future is resolved exactly once."""

    known: TenantTerms
    id: RecordId
    deadline: datetime | None
    where: LaneKey
    record_key: bytes = field(repr=False)
    streamed: bool
    lineage: Lineage = field(init=False)  # as given; replaced by what it inherits
    parents: tuple[RecordId, ...] = ()
    key_id: UUID = field(init=False)  # a file's is made when its bytes are written
    wrapped_key: bytes = field(init=False, repr=False)
    sealed_metadata: bytes | None = field(default=None, repr=False)
    incomplete: bool = False
    content: tuple[bytes, ...] = field(default=(), repr=False)  # what the fingerprint covers
    fingerprint: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)  # empty if streamed
    size: int = 0
    length: int = 0
    start: int = 0
    unread: Callable[[], bytes] | None = field(default=None, repr=False)  # reads on, and digests
    future: Future[PutResult] = field(default_factory=uncancellable, repr=False)

    @property
    def tenant(self) -> str:
        """Its tenant."""
        return self.known.spec.id

    @property
    def name(self) -> tuple[str, bytes]:
        """What is unique about it."""
        return self.tenant, self.id.unique

    def whole(self) -> tuple[bytes, ...]:
        """What its fingerprint covers; a stream that nobody has read is read for it."""
        return (self.unread(), *self.content) if self.unread is not None else self.content

    def fence_query(self) -> FenceQuery:
        """What to ask the fences."""
        lineage = self.lineage
        uids = (self.id.unique, *lineage.ancestors)
        return FenceQuery(self.tenant, uids, lineage.subject, lineage.group, lineage.origin)

    def row(self, object_id: UUID, written: datetime) -> Row:
        """Its row in the catalog."""
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
        )

    def succeed(self) -> None:
        """Stored."""
        self.future.set_result(PutResult(self.id, stored=True, deadline=self.deadline))

    def fail(self, error: BaseException) -> None:
        """Not stored, or nobody knows."""
        self.future.set_exception(error)


def inherit(own: Lineage, parents: Sequence[tuple[bytes, Lineage, bool]]) -> Lineage:
    """What a record takes over from its parents.

    Each parent comes with its unique part, its lineage, and whether erasing it erases this one. A
    record that derives from a subject's data is about that subject, so that an erasure finds it.
    Raises LineageConflict if that makes it be about two.
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
    """Pseudonyms of one name that they all have, if any has one."""
    for other in inherited:
        if own and other and set(own).isdisjoint(other):
            raise LineageConflict(
                "The record and what it derives from have different subjects or groups.",
                advice="Leave subject and group out: they are inherited.",
            )
        own = tuple(dict.fromkeys((*own, *other)))
    return own


def lineage_of(row: Row) -> Lineage:
    """The lineage of a record that is stored."""
    return Lineage(
        () if row.subject is None else (row.subject,),
        () if row.group is None else (row.group,),
        row.ancestors,
        row.origin,
    )


def erased() -> DomicileError:
    """The refusal of a write that an erasure covers."""
    return Erased(
        "An erasure covers this record: its id, or what it derives from, is older.",
        advice="For new data, mint a new id.",
    )
