"""One tenant's store: bound once, so that a slip into another tenant cannot be typed."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from storage.catalog import objects, records
from storage.catalog.tenants import Known
from storage.errors import BodyTooLarge, DomicileError, InvalidRequest, NotFound, TermsChanged
from storage.model import (
    DataClass,
    Erasure,
    Explanation,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    Record,
    RecordId,
    RecordInfo,
    Replica,
    ReplicaState,
    Scope,
)
from storage.packs.eraser import Pause, fence
from storage.packs.keyring import KeyRing
from storage.packs.large import read_chunks
from storage.packs.reader import Reader, info
from storage.packs.writer import Writer
from storage.policy import place, term_of
from storage.region import OpenRegion

_WINDOW = 4096  # records of put_many that may be under way
_PAGE = 1000

Id = RecordId | str


class Served(Protocol):
    """What a tenant needs of the region in which it is at home."""

    @property
    def open(self) -> OpenRegion: ...
    @property
    def keys(self) -> KeyRing: ...
    @property
    def writer(self) -> Writer: ...
    @property
    def reader(self) -> Reader: ...


class Homes(Protocol):
    """Finds tenants."""

    def find(self, tenant: str) -> tuple[Served, Known]:
        """Region and terms. Raises UnknownTenant or WrongRegion."""
        ...

    def forget(self, tenant: str) -> None:
        """Read the terms again next time."""
        ...


class Tenant:
    """Reads and writes the records of one tenant. Safe to use from many threads.

    Writes raise InvalidRequest, Refused, Erased, Unavailable (nothing is stored: try again) or
    OutcomeUnknown (ask again with the same id). Reads raise NotFound, Erased, Expired,
    PurposeRefused, Unavailable or Corrupt. An id of another tenant is NotFound.
    """

    def __init__(self, homes: Homes, tenant: str, pause: Pause) -> None:
        """Made by ``Store.tenant``."""
        self._homes = homes
        self._pause = pause
        self.id = tenant

    def new_id(self, data_class: DataClass, *, key: str | None = None) -> RecordId:
        """Mint the id of a record that is about to be written.

        With the same ``key``, class, UTC day and retention it is the same record: two processes
        that carry out the same request agree. Good for writing for the topology's write window.
        """
        served, known = self._homes.find(self.id)
        return served.writer.new_id(known, data_class, key)

    def put(
        self, data_class: DataClass, body: bytes, *, id: Id | None = None,
        subject: str | None = None, group: str | None = None,
        metadata: Mapping[str, object] | None = None, derived_from: Iterable[Id] = (),
    ) -> PutResult:  # fmt: skip
        """Store a record of at most 16 MiB; returns when it is durable on the required replicas.

        ``metadata`` is JSON of at most 4 KiB. The same id with the same content gives the same
        answer; with other content it raises IdConflict.
        """
        return self.submit(
            NewRecord(
                data_class, body, as_id(id), subject, group, metadata or {},
                tuple(RecordId.parse(str(i)) for i in derived_from),
            )
        ).result()  # fmt: skip

    def submit(self, record: NewRecord, *, bulk: bool = False) -> Future[PutResult]:
        """``put`` without waiting. What is refused at once is raised at once."""
        served, known = self._homes.find(self.id)
        future = served.writer.put(known, record, bulk=bulk)
        future.add_done_callback(self._heed)
        return future

    def put_many(self, records: Iterable[NewRecord]) -> Iterator[PutResult | PutFailure]:
        """Store many, in bounded memory; a result per record, in order, as soon as it is known."""
        window: deque[tuple[RecordId | None, Future[PutResult]]] = deque()
        pending: dict[RecordId, Future[PutResult]] = {}
        for record in records:
            future = self._queue(record, pending)
            window.append((record.id, future))
            while window and (window[0][1].done() or len(window) >= _WINDOW):
                yield _outcome(*window.popleft(), pending)
        while window:
            yield _outcome(*window.popleft(), pending)

    def put_file(
        self, stream: BinaryIO | Iterable[bytes], *, filename: str | None = None,
        id: Id | None = None, subject: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> PutResult:  # fmt: skip
        """Store a fine-tuning file of any size, in constant memory.

        The file name is metadata: sealed with it. A stream that raises leaves nothing behind.
        """
        served, known = self._homes.find(self.id)
        told = dict(metadata or {}) | ({"filename": filename} if filename is not None else {})
        record = NewRecord(DataClass.FINE_TUNING_FILE, b"", as_id(id), subject, None, told)
        future = served.writer.stream(known, record, read_chunks(stream))
        future.add_done_callback(self._heed)
        return future.result()

    def capture(
        self, data_class: DataClass, *, id: Id | None = None,
        subject: str | None = None, group: str | None = None,
        metadata: Mapping[str, object] | None = None, derived_from: Iterable[Id] = (),
    ) -> "Capture":  # fmt: skip
        """A context that takes a streamed body chunk by chunk and stores it at its end.

        If the block is left by an exception, what was produced is stored, marked incomplete, and
        the exception goes on.
        """
        record_id = as_id(id) or self.new_id(data_class)
        record = NewRecord(
            data_class, b"", record_id, subject, group, metadata or {},
            tuple(RecordId.parse(str(i)) for i in derived_from),
        )  # fmt: skip
        return Capture(self, record)

    def get(self, id: Id, *, purpose: Purpose) -> Record:
        """Open a record."""
        served, _ = self._homes.find(self.id)
        return served.reader.get(self.id, RecordId.parse(str(id)), purpose)

    def open(self, id: Id, *, purpose: Purpose) -> "OpenFile":
        """Open a record of any size, to read ranges of it."""
        served, _ = self._homes.find(self.id)
        record_id = RecordId.parse(str(id))
        found = served.reader.metadata(self.id, record_id, purpose)
        return OpenFile(served.reader, self.id, purpose, found)

    def list(
        self, *, data_class: DataClass | None = None, subject: str | None = None,
        group: str | None = None, after: Id | None = None, limit: int = 100,
    ) -> Sequence[RecordInfo]:  # fmt: skip
        """What is stored and readable, oldest first, after one of the records."""
        if not 1 <= limit <= _PAGE:
            raise InvalidRequest(f"A limit is 1 to {_PAGE}.")
        served, _ = self._homes.find(self.id)
        region, names = served.open, served.open.pseudonyms
        with region.catalog.begin() as connection:
            rows = records.page(
                connection, self.id, data_class=data_class,
                subjects=names.all(self.id, "subject", subject) if subject is not None else (),
                groups=names.all(self.id, "group", group) if group is not None else (),
                after=as_id(after), now=region.clock.now(), limit=limit,
            )  # fmt: skip
        return [info(region, row) for row in rows]

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> Erasure:
        """Erase a record, subject, group or everything. On return nothing of it can be read.

        Rows and bytes go behind the scenes; ``Store.erasure`` says how far that is.
        """
        served, _ = self._homes.find(self.id)
        return fence(served.open, self.id, scope, reason=reason, ticket=ticket, pause=self._pause)

    def explain(self, id: Id) -> Explanation:
        """Why a record is here and not there. Raises NotFound."""
        served, known = self._homes.find(self.id)
        region, record_id = served.open, RecordId.parse(str(id))
        with region.catalog.begin() as connection:
            found = records.find(connection, self.id, record_id)
            if found is None or found.fenced:
                raise NotFound(advice="Check the id and the tenant.")
            attempts = objects.attempts_of(connection, [found.row.object_id], list(ReplicaState))
        placement = place(
            region.topology, known.spec, record_id.data_class, region.clock.now().date()
        )
        term = term_of(found.row.id.day, region.topology.bounds)
        replicas = [Replica(a.backend, a.state) for a in attempts.get(found.row.object_id, [])]
        return Explanation(
            found.row.id, placement.verdicts, tuple(replicas), term.readable_until, term.deadline
        )

    def _heed(self, future: Future[PutResult]) -> None:
        if isinstance(future.exception(), TermsChanged):
            self._homes.forget(self.id)

    def _queue(
        self, record: NewRecord, pending: dict[RecordId, Future[PutResult]]
    ) -> Future[PutResult]:
        """Submit one of many; what is refused at once becomes a failed future."""
        for parent in record.derived_from:
            # of one day, parent and child go through one lane, in this order
            if parent in pending and (record.id is None or parent.day != record.id.day):
                pending[parent].exception()
        try:
            future = self.submit(record, bulk=True)
        except DomicileError as error:
            future = Future()
            future.set_exception(error)
        if record.id is not None:
            pending[record.id] = future
        return future


class Capture:
    """A body that is still being produced. ``result`` is there after the block."""

    def __init__(self, tenant: Tenant, record: NewRecord) -> None:
        """Made by ``Tenant.capture``."""
        self._tenant = tenant
        self._record = record
        self._body = bytearray()
        self._ended = False
        self.id = record.id
        self.result: PutResult | None = None

    def write(self, chunk: bytes) -> None:
        """Take the next chunk. Raises BodyTooLarge over 16 MiB: what came before is stored."""
        if self._ended:
            raise InvalidRequest("The capture has ended.")
        if len(self._body) + len(chunk) > 16 * 1024 * 1024:
            raise BodyTooLarge
        self._body += chunk

    def end(self, *, incomplete: bool) -> Future[PutResult]:
        """Store what was produced."""
        self._ended = True
        body = bytes(self._body)
        return self._tenant.submit(replace(self._record, body=body, incomplete=incomplete))

    def __enter__(self) -> Self:
        """Where to write."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store it, incomplete if the block failed."""
        self.result = self.end(incomplete=error is not None).result()


class OpenFile:
    """A record opened for ranges. Every read asks again whether it is still allowed."""

    def __init__(self, reader: Reader, tenant: str, purpose: Purpose, found: Record) -> None:
        """Made by ``Tenant.open``."""
        self._reader, self._tenant, self._purpose = reader, tenant, purpose
        self.info = found.info
        self.metadata = found.metadata

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.info.size

    def read_range(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive), or up to the end."""
        return self._reader.read_range(self._tenant, self.info.id, self._purpose, start, stop)

    def chunks(self, size: int = 1024 * 1024) -> Iterator[bytes]:
        """The whole, piece by piece."""
        for start in range(0, self.size, size):
            yield self.read_range(start, start + size)

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""


def as_id(given: Id | None) -> RecordId | None:
    """An id from its text, if it is text. Raises MalformedId."""
    return RecordId.parse(given) if isinstance(given, str) else given


def _outcome(
    record_id: RecordId | None, future: Future[PutResult],
    pending: dict[RecordId, Future[PutResult]],
) -> PutResult | PutFailure:  # fmt: skip
    error = future.exception()
    if record_id is not None:
        pending.pop(record_id, None)
    if error is None:
        return future.result()
    if isinstance(error, DomicileError):
        return PutFailure(record_id, error)
    raise error
