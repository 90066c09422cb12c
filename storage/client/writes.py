"""The writes of one tenant, which ``Tenant`` inherits."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import date, datetime
from functools import partial
from time import monotonic
from typing import BinaryIO

from regions.model import CONTENT_CLASSES
from storage.catalog.tenants import TenantTerms
from storage.client.bulk import Source, Window
from storage.client.files import Capture
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import (
    Id,
    check_class,
    check_keep_days,
    check_moment,
    check_name,
    check_origin_date,
    check_record,
    new_record,
    with_filename,
)
from storage.errors import DomicileError, TermsChanged
from storage.ledger.fence import Sleep
from storage.meters import Timed
from storage.model import (
    DataClass,
    NewRecord,
    Origin,
    PutFailure,
    PutResult,
    RecordId,
)
from storage.packs.answers import Answer, InTurn, Pending
from storage.packs.prepare import Writer
from storage.packs.stream import read_chunks
from storage.region import OpenRegion


class Writes:
    """What a tenant writes, and the ids that it mints. See ``Tenant``."""

    def __init__(self, homes: Homes, tenant: str, sleep: Sleep) -> None:
        """Use ``Store.tenant`` instead."""
        self._homes = homes
        self._sleep = sleep
        self._queued_in: OpenRegion | None = None
        self.id = tenant

    def new_id(
        self,
        data_class: DataClass,
        *,
        key: str | None = None,
        origin_date: date | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> RecordId:
        """Mint the id of a record before it is written.

        With a ``key``, the id is a function of the key, the class, the UTC day and the expiry day:
        two processes that handle the same request get the same record. The id can be written for
        the topology's write window (24 hours in the example topology); after that the write
        raises StaleId. ``origin_date``: the date of the ``origin`` that the record will have.

        ``keep_days``: keep this record for so many days, at or below the tenant's retention of the
        class; InvalidRequest for more. The day on which it expires is in the id, so the same key
        with another ``keep_days`` is another id.

        ``readable_until``: as for ``put``. Without ``keep_days`` it is kept for as few days as that
        needs.
        """
        check_class(data_class)
        check_name("key", key)
        check_origin_date(origin_date)
        check_keep_days(keep_days)
        check_moment("readable_until", readable_until)
        served, terms = self._homes.find(self.id)
        return served.writer.new_id(
            terms, data_class, key, origin_date, keep_days=keep_days, until=readable_until
        )

    def put(  # noqa: PLR0913 - what a record has
        self,
        data_class: DataClass,
        body: bytes,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
        origin: Origin | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> PutResult:
        """Store a record of at most 16 MiB. Return when the required replicas are durable.

        Repeating the call with the same id and content returns the same result; other content
        raises IdConflict. Without an id, a new one is minted. Under zero retention nothing is
        written, and ``stored`` of the result is False.

        ``keep_days`` is as in ``new_id``. With an id, InvalidRequest if the id says otherwise.

        ``readable_until``: the moment at which reading ends, before the last day of the record is
        over; not for an event, which others rely on. The bytes are gone by the deadline of the day.
        InvalidRequest if it is over, or if the tenant keeps records of the class for less long.
        """
        new = new_record(
            data_class,
            body,
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
            origin=origin,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        return self.submit(new).result()

    def submit(self, record: NewRecord) -> Future[PutResult]:
        """Queue a record and return a future of its result: ``put`` without the wait.

        Refusals are raised at once. Waits up to 30 seconds for room in the write buffer, then
        raises Busy; a body of 256 KiB or more is sent before the call returns. The future cannot
        be cancelled.
        """
        check_record(record)
        record_id = self._id_of(record)
        return self._invalidate_if_changed(
            lambda writer, terms, answer: writer.put(terms, record, record_id, answer)
        )

    def queue(
        self, record: NewRecord, answer: Answer, since: float, *, alone: bool = False
    ) -> bool:
        """Queue a record as ``submit`` does; ``answer`` is given its result.

        It waits for room until 30 seconds after ``since`` (monotonic). Unless ``alone``, it returns
        False and does nothing if the body would be sent before the call returns. Call
        ``forget_terms`` if TermsChanged is raised or answered.
        """
        check_record(record)
        record_id = self._id_of(record)
        served, terms = self._homes.find(self.id)
        self._queued_in = served.region
        if alone:
            served.writer.put(terms, record, record_id, answer)
            return True
        return served.writer.queue(terms, record, record_id, answer, since=since)

    def note_answer(self, since: float, error: BaseException | None) -> None:
        """Note that a record that was queued has its answer, for the metrics alone."""
        region = self._queued_in
        if region is not None:
            region.meters.called(region.name, "put", monotonic() - since, error)

    def forget_terms(self) -> None:
        """Have the next write read the tenant's terms again."""
        self._homes.invalidate(self.id)

    def put_many(self, records: Iterable[NewRecord]) -> Iterator[PutResult | PutFailure]:
        """Store many records in bounded memory. Yield one result per record, in order.

        Reads at most 8192 records ahead of the result it yields. A record that fails yields a
        PutFailure and does not stop the others. If ``records`` raises, the results of the records
        before are yielded first. Every record that was read is written, even if the caller stops
        iterating.
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
        origin: Origin | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> PutResult:
        """Store a fine-tuning file of any size, in constant memory.

        ``stream`` is a file opened in binary mode or an iterable of bytes. ``filename`` becomes
        part of the encrypted metadata.

        If the stream raises, nothing is stored: the call raises StreamFailed, with the stream's
        error as its cause. If the stream pauses for more than two minutes, the write may be
        abandoned: the call raises Abandoned.
        """
        new = new_record(
            DataClass.FINE_TUNING_FILE,
            b"",
            id=id,
            subject=subject,
            group=None,
            metadata=with_filename(metadata, filename),
            derived_from=(),
            origin=origin,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        check_record(new)
        record_id, chunks = self._id_of(new), read_chunks(stream)
        return self._invalidate_if_changed(
            lambda writer, terms, answer: writer.stream(terms, new, record_id, answer, chunks)
        ).result()

    def capture(
        self,
        data_class: DataClass,
        *,
        id: Id | None = None,
        subject: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, object] | None = None,
        derived_from: Iterable[Id] = (),
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> Capture:
        """Return a context manager that collects a streamed body and stores it at the end.

        The body may have 16 MiB. If the block raises, what was collected is stored, marked
        incomplete, and the exception propagates.
        """
        new = new_record(
            data_class,
            b"",
            id=id,
            subject=subject,
            group=group,
            metadata=metadata,
            derived_from=derived_from,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        check_record(new)
        served, _ = self._homes.find(self.id)
        record_id = self._id_of(new)
        most = served.region.limits.body if data_class in CONTENT_CLASSES else 0
        return Capture(new, record_id, self.submit, most)

    def window(self) -> Window:
        """Return the window of concurrent writes that ``put_many`` uses."""
        served, _ = self._homes.find(self.id)
        return Window(
            self._submit_bulk,
            self._id_of,
            served.region.limits.own_pack,
            self.forget_terms,
            partial(served.writer.urge, self.id),
        )

    def _id_of(self, record: NewRecord) -> RecordId:
        """Return the id of a record that was checked; mint one if it has none."""
        if record.id is not None:
            return record.id
        served, terms = self._homes.find(self.id)
        origin = record.origin.date if record.origin is not None else None
        return served.writer.new_id(
            terms,
            record.data_class,
            None,
            origin,
            keep_days=record.keep_days,
            until=record.readable_until,
        )

    def _submit_bulk(self, record: NewRecord, record_id: RecordId, answer: InTurn) -> InTurn:
        served, terms = self._homes.find(self.id)
        return served.writer.put(terms, record, record_id, answer)

    def _invalidate_if_changed(
        self, write: Callable[[Writer, TenantTerms, Pending], Pending]
    ) -> Future[PutResult]:
        """Have the next write read the tenant's terms again if this one finds them changed."""
        served, terms = self._homes.find(self.id)
        timed = self._timed(served)

        def check(error: BaseException | None) -> None:
            timed.end(error)
            if isinstance(error, TermsChanged):
                self.forget_terms()

        try:
            future = write(served.writer, terms, Pending())
        except DomicileError as error:
            check(error)
            raise
        future.add_done_callback(lambda done: check(done.exception()))
        return future

    def _timed(self, served: ServedRegion) -> Timed:
        return Timed(served.region.meters, served.region.name, "put")
