"""One tenant's store: bound once, so that a slip into another tenant cannot be typed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import BinaryIO, Protocol

from storage.catalog import objects, pseudonym_keys, records
from storage.catalog.tenants import TenantTerms
from storage.client.bulk import Source, Window
from storage.client.capture import Capture
from storage.client.files import OpenFile
from storage.client.validate import (
    Id,
    as_id,
    check_class,
    check_erasure,
    check_limit,
    check_name,
    check_processor,
    check_purpose,
    check_record,
    new_record,
    with_filename,
)
from storage.errors import NotFound, TermsChanged
from storage.ledger.fence import Sleep, fence
from storage.ledger.handover import hand_over
from storage.model import (
    DataClass,
    Erasure,
    Explanation,
    HandedOver,
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
from storage.objects.keyring import KeyRing
from storage.packs.prepare import Writer
from storage.packs.reader import Reader, info
from storage.packs.stream import read_chunks
from storage.policy import decide_placement, term_of
from storage.region import OpenRegion


class ServedRegion(Protocol):
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

    def find(self, tenant: str) -> tuple[ServedRegion, TenantTerms]:
        """Region and terms. Raises UnknownTenant or WrongRegion."""
        ...

    def forget(self, tenant: str) -> None:
        """Read the terms again next time."""
        ...


class Tenant:
    """Reads and writes the records of one tenant. Safe to use from many threads.

    An ``id`` is a RecordId or its text. ``subject`` and ``group`` are text of one character or
    more, stored as pseudonyms. ``metadata`` is JSON, at most 4 KiB, sealed like the body; it comes
    back with the record. ``derived_from`` are records of this tenant: subject and group are
    inherited from them, and erasing one erases what derives from it where the topology says so.
    From what is not stored, as under zero retention, nothing derives (LineageConflict): without it
    nobody would know whom the record is about. Give subject and group instead.

    Every method raises InvalidRequest for what is malformed (MalformedId, UnknownClass, ...),
    WrongRegion when the tenant is at home elsewhere, and CatalogUnavailable. Writes also raise
    Refused (``reasons`` says why), Erased, Unavailable (nothing is stored: try again) or
    OutcomeUnknown (ask again with the same id). Reads also raise NotFound, Erased, Expired,
    PurposeRefused, Unavailable, KeyUnavailable or Corrupt. An id of another tenant is NotFound.
    """

    def __init__(self, homes: Homes, tenant: str, pause: Sleep) -> None:
        """Made by ``Store.tenant``."""
        self._homes = homes
        self._pause = pause
        self.id = tenant

    def new_id(self, data_class: DataClass, *, key: str | None = None) -> RecordId:
        """Mint the id of a record that is about to be written.

        With the same ``key`` (text), class, UTC day and retention it is the same record: two
        processes that carry out the same request agree. Good for writing for the topology's write
        window (24 hours in the shipped one), then StaleId.
        """
        check_class(data_class)
        check_name("key", key)
        served, known = self._homes.find(self.id)
        return served.writer.new_id(known, data_class, key)

    def put(
        self,
        data_class: DataClass,
        body: bytes,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
    ) -> PutResult:
        """Store a record of at most 16 MiB; returns when it is durable on the required replicas.

        The same id with the same content gives the same answer; with other content it raises
        IdConflict. Without an id, a new one is minted. Under zero retention ``stored`` is False.
        """
        new = new_record(
            data_class,
            body,
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
        )
        return self.submit(new).result()

    def submit(self, record: NewRecord) -> Future[PutResult]:
        """``put`` without waiting for the pack. What is refused at once is raised at once.

        Waits for room in the write buffer, at most 30 s (then Busy), and, from 256 KiB on, for the
        backends. The future cannot be cancelled.
        """
        check_record(record)
        return self._submit(record, bulk=False)

    def put_many(self, records: Iterable[NewRecord]) -> Iterator[PutResult | PutFailure]:
        """Store many in bounded memory: one result per record, in the order of the records.

        Takes a record when it needs one, at most 4096 ahead of the result it gives. What is wrong
        with one record is a PutFailure in its place. If ``records`` raises, the results of what
        came before are given first. What was taken is written even if nobody asks for its result.
        """
        source, window = Source(records), self.window()
        for record in source:
            window.add(record)
            while window.ready or not window.room:
                yield window.take()
        while window:
            yield window.take()
        source.check()

    def put_file(
        self,
        stream: BinaryIO | Iterable[bytes],
        *,
        filename: str | None = None,
        id: Id | None = None,
        subject: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> PutResult:
        """Store a fine-tuning file of any size, in constant memory.

        ``stream`` is a file in binary mode, or an iterable of bytes. The file name is metadata:
        sealed with it. A stream that raises leaves nothing behind: StreamFailed, with the stream's
        own error as its cause. One that pauses for over two minutes may be given up: Abandoned.
        """
        new = new_record(
            DataClass.FINE_TUNING_FILE,
            b"",
            id=id,
            subject=subject,
            group=None,
            metadata=with_filename(metadata, filename),
            derived_from=(),
        )
        check_record(new)
        chunks = read_chunks(stream)
        served, known = self._homes.find(self.id)
        return self._heeded(served.writer.stream(known, new, chunks)).result()

    def capture(
        self,
        data_class: DataClass,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
    ) -> Capture:
        """A context that takes a streamed body chunk by chunk, 16 MiB in all, and stores it.

        If the block is left by an exception, what was produced is stored, marked incomplete, and
        the exception goes on.
        """
        new = new_record(
            data_class,
            b"",
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
        )
        check_record(new)
        served, _ = self._homes.find(self.id)
        record_id = new.id or self.new_id(data_class)
        return Capture(new, record_id, self.submit, served.open.limits.body)

    def get(self, id: Id, *, purpose: Purpose) -> Record:
        """Open a record: body, metadata and what is known of it."""
        record_id = as_id(id)
        check_purpose(purpose)
        served, _ = self._homes.find(self.id)
        return served.reader.get(self.id, record_id, purpose)

    def open(self, id: Id, *, purpose: Purpose) -> OpenFile:
        """Open a record of any size, to read ranges of it."""
        record_id = as_id(id)
        check_purpose(purpose)
        served, _ = self._homes.find(self.id)
        found = served.reader.metadata(self.id, record_id, purpose)
        return OpenFile(served.reader, self.id, purpose, found)

    def list(
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        after: Id | None = None,
        limit: int = 100,
    ) -> Sequence[RecordInfo]:
        """What is stored and readable, oldest first: 1 to 1000 records after one of them.

        Raises KeyUnavailable if others know a newer pseudonym key than this process does.
        """
        check_limit(limit)
        check_name("subject", subject)
        check_name("group", group)
        if data_class is not None:
            check_class(data_class)
        last = None if after is None else as_id(after)
        served, _ = self._homes.find(self.id)
        region, names = served.open, served.open.pseudonyms
        now = region.clock.now()
        with region.catalog.begin() as connection:
            if subject is not None or group is not None:
                pseudonym_keys.check_complete(connection, region.name, names.versions)
            rows = records.page(
                connection,
                self.id,
                data_class=data_class,
                subjects=names.all(self.id, "subject", subject) if subject is not None else (),
                groups=names.all(self.id, "group", group) if group is not None else (),
                after=last,
                now=now,
                limit=limit,
            )
        return [info(region, row) for row in rows]

    def hand_over(self, id: Id, processor: str) -> HandedOver:
        """Hand a copy of a record's body, of at most 16 MiB, to a sub-processor with a connector.

        The topology says which class may go to which service. The processor learns the copy's id
        and content, and nothing of tenant, subject or record. Each call makes another copy, which
        lives for 30 days at most, and never longer than its record. If this raises, whatever may
        have arrived is asked back. Raises HandOverRefused, BodyTooLarge and ProcessorError too.

        Written to the region's ledger first, so that a restored catalog does not forget it. Raises
        LedgerUnwritten or Abandoned: nothing was sent, try again.
        """
        record_id = as_id(id)
        check_processor(processor)
        served, known = self._homes.find(self.id)
        return hand_over(served.open, served.reader, known.spec, record_id, processor)

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> Erasure:
        """Erase a record, subject, group or everything. On return nothing of it can be read.

        Written to the region's ledger first, so that a restored catalog does not forget it. Raises
        LedgerUnwritten or Abandoned (nothing is erased: try again), and CatalogUnavailable if the
        answer was lost: ask again, or look at ``Store.erasures``.

        Rows and bytes go behind the scenes; ``Store.erasure`` says how far that is. ``ticket`` is
        a reference of yours, of at most 200 characters, that the catalog keeps: nothing personal.
        """
        check_erasure(scope, reason, ticket)
        served, _ = self._homes.find(self.id)
        return fence(served.open, self.id, scope, reason=reason, ticket=ticket, pause=self._pause)

    def explain(self, id: Id) -> Explanation:
        """Why a record is here and not there, and how long. Raises NotFound."""
        record_id = as_id(id)
        served, known = self._homes.find(self.id)
        region = served.open
        with region.catalog.begin() as connection:
            found = records.find(connection, self.id, record_id)
            if found is None or found.fenced:
                raise NotFound(advice="Check the id and the tenant.")
            attempts = objects.replicas_of(connection, [found.row.object_id], list(ReplicaState))
        placement = decide_placement(
            region.topology, known.spec, record_id.data_class, region.clock.now().date()
        )
        term = term_of(found.row.id.day, region.topology.bounds)
        replicas = [Replica(a.backend, a.state) for a in attempts.get(found.row.object_id, [])]
        return Explanation(
            found.row.id, placement.verdicts, tuple(replicas), term.readable_until, term.deadline
        )

    def window(self) -> Window:
        """What ``put_many`` writes through, here and in ``async_store``."""
        served, _ = self._homes.find(self.id)
        return Window(
            lambda record: self._submit(record, bulk=True), self.new_id, served.open.limits.own_pack
        )

    def _submit(self, record: NewRecord, *, bulk: bool) -> Future[PutResult]:
        served, known = self._homes.find(self.id)
        return self._heeded(served.writer.put(known, record, bulk=bulk))

    def _heeded(self, future: Future[PutResult]) -> Future[PutResult]:
        """If the terms have changed, the next write goes by the new ones."""

        def heed(done: Future[PutResult]) -> None:
            if isinstance(done.exception(), TermsChanged):
                self._homes.forget(self.id)

        future.add_done_callback(heed)
        return future
