"""``Tenant``: reads and writes of one tenant. No method takes a tenant id."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import BinaryIO
from uuid import UUID

from storage.catalog import objects, pseudonym_keys, records
from storage.catalog.tenants import TenantTerms
from storage.client.bulk import Source, Window
from storage.client.files import Capture, OpenFile
from storage.client.grants import approve_for_customer
from storage.client.homes import Homes
from storage.client.objections import history, object_to, withdraw
from storage.client.validate import (
    Id,
    as_id,
    check_class,
    check_erasure,
    check_limit,
    check_name,
    check_objection,
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
    Grant,
    HandedOver,
    NewRecord,
    Objection,
    ObjectionEffect,
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
from storage.packs.prepare import Writer
from storage.packs.reader import info
from storage.packs.stream import read_chunks
from storage.policy import decide_placement, term_of


class Tenant:
    """Reads and writes the records of one tenant. Thread-safe; get one from ``Store.tenant``.

    Arguments that several methods share:

    - ``id``: a RecordId, or its text form.
    - ``subject``, ``group``: the end user and the conversation that a record is about; a string of
      one character or more. The catalog stores pseudonyms of them.
    - ``metadata``: a JSON object of at most 4 KiB, encrypted like the body and returned with it.
    - ``derived_from``: ids of records of this tenant. The new record inherits their subject and
      group, and is erased with them where the topology says so. A record that was not stored, as
      under zero retention, cannot be a parent (LineageConflict): pass ``subject`` and ``group``
      instead.

    Every method may raise InvalidRequest or a subclass (MalformedId, UnknownClass, ...) for a
    malformed argument, WrongRegion if the tenant's home is elsewhere, and CatalogUnavailable.

    Writes also raise Refused (``reasons`` says why), Erased, Unavailable (nothing was stored: try
    again) or OutcomeUnknown (repeat the call with the same id).

    Reads also raise NotFound, Erased, Expired, PurposeRefused, Unavailable, KeyUnavailable or
    Corrupt. The id of another tenant's record raises NotFound.
    """

    def __init__(self, homes: Homes, tenant: str, sleep: Sleep) -> None:
        """Use ``Store.tenant`` instead."""
        self._homes = homes
        self._sleep = sleep
        self.id = tenant

    def new_id(self, data_class: DataClass, *, key: str | None = None) -> RecordId:
        """Mint the id of a record before it is written.

        With a ``key``, the id is a function of the key, the class, the UTC day and the retention:
        two processes that handle the same request get the same record. The id can be written for
        the topology's write window (24 hours in the example topology); after that the write
        raises StaleId.
        """
        check_class(data_class)
        check_name("key", key)
        served, terms = self._homes.find(self.id)
        return served.writer.new_id(terms, data_class, key)

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
        """Store a record of at most 16 MiB. Return when the required replicas are durable.

        Repeating the call with the same id and content returns the same result; other content
        raises IdConflict. Without an id, a new one is minted. Under zero retention nothing is
        written, and ``stored`` of the result is False.
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
        """Queue a record and return a future of its result: ``put`` without the wait.

        Refusals are raised at once. Waits up to 30 seconds for room in the write buffer, then
        raises Busy; a body of 256 KiB or more is sent before the call returns. The future cannot
        be cancelled.
        """
        check_record(record)
        return self._submit(record, bulk=False)

    def put_many(self, records: Iterable[NewRecord]) -> Iterator[PutResult | PutFailure]:
        """Store many records in bounded memory. Yield one result per record, in order.

        Reads at most 4096 records ahead of the result it yields. A record that fails yields a
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
        )
        check_record(new)
        chunks = read_chunks(stream)
        return self._invalidate_if_changed(
            lambda writer, terms: writer.stream(terms, new, chunks)
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
        )
        check_record(new)
        served, _ = self._homes.find(self.id)
        record_id = new.id or self.new_id(data_class)
        return Capture(new, record_id, self.submit, served.region.limits.body)

    def get(self, id: Id, *, purpose: Purpose) -> Record:
        """Return a record with its body and metadata."""
        record_id = as_id(id)
        check_purpose(purpose)
        served, _ = self._homes.find(self.id)
        return served.reader.get(self.id, record_id, purpose)

    def open(self, id: Id, *, purpose: Purpose) -> OpenFile:
        """Open a record of any size, to read it in ranges."""
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
        """Return the readable records, oldest first, without opening them.

        ``data_class``, ``subject`` and ``group`` narrow the list. At most ``limit`` (1 to 1000).
        To page, pass the last id as ``after``. Raises KeyUnavailable if another process uses a
        newer pseudonym key than this one has.
        """
        check_limit(limit)
        check_name("subject", subject)
        check_name("group", group)
        if data_class is not None:
            check_class(data_class)
        last = None if after is None else as_id(after)
        region = self._homes.find(self.id)[0].region
        names, now = region.pseudonyms, region.clock.now()
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
        """Give a processor a copy of a record's body, of at most 16 MiB.

        The topology says which class may go to which service. The processor receives an id of the
        copy and the content, and learns nothing of the tenant, the subject or the record. Each
        call makes another copy. A copy lives for 30 days at most, and never longer than its
        record; Domicile then asks the processor to delete it.

        The region's ledger records the copy first, so that a restored catalog knows it. Raises
        LedgerUnwritten or Abandoned (nothing was sent: try again), HandOverRefused, BodyTooLarge,
        and ProcessorError (the copy may have arrived, so its deletion is requested).
        """
        record_id = as_id(id)
        check_processor(processor)
        served, terms = self._homes.find(self.id)
        return hand_over(served.region, served.reader, terms, record_id, processor)

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> Erasure:
        """Erase a record, a subject, a group, or the whole tenant.

        On return, nothing of it can be read. Workers then delete the rows and the bytes; follow
        that with ``Store.erasure``. ``ticket`` is your own reference of at most 200 characters,
        which the catalog keeps: put no personal data in it.

        The region's ledger records the erasure first, so that a restored catalog knows it. Raises
        LedgerUnwritten or Abandoned (nothing is erased: try again), and CatalogUnavailable if the
        answer was lost (repeat the call, or look at ``Store.erasures``).
        """
        check_erasure(scope, reason, ticket)
        served, _ = self._homes.find(self.id)
        return fence(served.region, self.id, scope, reason=reason, ticket=ticket, sleep=self._sleep)

    def explain(self, id: Id) -> Explanation:
        """Return where a record is stored, why there, and for how long. Raises NotFound."""
        record_id = as_id(id)
        served, terms = self._homes.find(self.id)
        region = served.region
        with region.catalog.begin() as connection:
            found = records.find(connection, self.id, record_id)
            if found is None or found.fenced:
                raise NotFound(advice="Check the id and the tenant.")
            stored = objects.replicas_of(connection, [found.row.object_id], list(ReplicaState))
        placement = decide_placement(
            region.topology,
            terms.spec,
            record_id.data_class,
            region.clock.now().date(),
            region.postures.unfit(),
            objections=terms.objections,
        )
        term = term_of(found.row.id.day, region.topology.bounds)
        replicas = [Replica(r.backend, r.state) for r in stored.get(found.row.object_id, [])]
        return Explanation(
            found.row.id, placement.verdicts, tuple(replicas), term.readable_until, term.deadline
        )

    def object(self, company: str, *, by: str, ticket: str) -> ObjectionEffect:
        """Object to a sub-processor: nothing of the tenant goes there any more.

        Return what that means. What is stored there is moved elsewhere, and copies there are asked
        back: follow that with ``objections``. ``by`` is the opaque id of who decided it for the
        customer, and ``ticket`` your own reference; each has at most 200 characters. A repetition
        changes nothing.

        Raises ObjectionRefused, before anything is changed, if the company is unknown, if too few
        places would be left, or if it runs the region's database, keys or backups: then only a
        home in another region helps, and the advice names those.
        """
        check_objection(company, by, ticket)
        served, _ = self._homes.find(self.id)
        effect = object_to(served.region, self.id, company, by=by, ticket=ticket)
        self._homes.invalidate(self.id)
        return effect

    def withdraw(self, company: str, *, by: str, ticket: str) -> None:
        """Withdraw an objection: the company may get new data of the tenant again.

        What was moved stays where it is. Raises ObjectionRefused if there is none.
        """
        check_objection(company, by, ticket)
        served, _ = self._homes.find(self.id)
        withdraw(served.region, self.id, company, by=by, ticket=ticket)
        self._homes.invalidate(self.id)

    def objections(self) -> Sequence[Objection]:
        """Return all objections of the tenant, oldest first, and what is left at the companies."""
        served, _ = self._homes.find(self.id)
        return history(served.region, self.id)

    def approve(self, grant: UUID | str, *, by: str) -> Grant:
        """Approve a grant for the customer, which some grants need besides a second person's.

        ``by`` is the opaque id of the customer's own actor. Raises GrantRefused, or NotFound if the
        tenant has no such grant.
        """
        served, _ = self._homes.find(self.id)
        return approve_for_customer(served.region, self.id, grant, by)

    def window(self) -> Window:
        """Return the window of concurrent writes that ``put_many`` uses."""
        served, _ = self._homes.find(self.id)
        own_pack = served.region.limits.own_pack
        return Window(lambda record: self._submit(record, bulk=True), self.new_id, own_pack)

    def _submit(self, record: NewRecord, *, bulk: bool) -> Future[PutResult]:
        return self._invalidate_if_changed(
            lambda writer, terms: writer.put(terms, record, bulk=bulk)
        )

    def _invalidate_if_changed(
        self, write: Callable[[Writer, TenantTerms], Future[PutResult]]
    ) -> Future[PutResult]:
        """Have the next write read the tenant's terms again if this one finds them changed."""
        served, terms = self._homes.find(self.id)
        try:
            future = write(served.writer, terms)
        except TermsChanged:
            self._homes.invalidate(self.id)
            raise

        def check(done: Future[PutResult]) -> None:
            if isinstance(done.exception(), TermsChanged):
                self._homes.invalidate(self.id)

        future.add_done_callback(check)
        return future
