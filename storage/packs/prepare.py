"""From a record to its pack: decide the placement, mint the key, seal, queue."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Executor
from datetime import date, datetime
from time import monotonic
from typing import TypeVar, cast

from storage.catalog import days
from storage.catalog.tenants import TenantTerms
from storage.crypto.entropy import Pool
from storage.crypto.pseudonym import Kind
from storage.crypto.record import (
    associated,
    fingerprint,
    framed,
    new_key,
    seal_body,
    seal_metadata,
)
from storage.errors import BodyTooLarge
from storage.meters import Flush
from storage.model import DataClass, NewRecord, PutResult, RecordId
from storage.objects.keyring import KeyRing
from storage.packs.answers import Answer, InTurn
from storage.packs.flush import write_packs
from storage.packs.plans import Lane, Plans
from storage.packs.queue import Batches, Lanes, busy
from storage.packs.sealed import LaneKey, Lineage, SealedRecord
from storage.packs.stream import write_large
from storage.policy import (
    Placement,
    Term,
    check_kept,
    check_origin,
    check_until,
    days_until,
    retain,
    retain_for,
)
from storage.region import OpenRegion

A = TypeVar("A", bound=Answer)


class Writer:
    """Writes records of one region. The caller has validated them. Safe for many threads."""

    def __init__(self, region: OpenRegion, keys: KeyRing, flushers: Executor) -> None:
        """``flushers`` run the flushes; the region's pool sends the bytes."""
        self._region = region
        self._keys = keys
        self._secret = region.pseudonyms.id_secret()
        self._plans = Plans(region)
        self._entropy = Pool(region.entropy)
        self._days: set[date] = set()
        self._lanes = Lanes(region.limits, self._flush, flushers)
        region.meters.opened(region.name, region.backends, self._lanes.load)

    def new_id(
        self,
        terms: TenantTerms,
        data_class: DataClass,
        key: str | None,
        origin: date | None = None,
        *,
        keep_days: int | None = None,
        until: datetime | None = None,
    ) -> RecordId:
        """Mint the id of a record that is about to be written. Raises OriginRefused."""
        region, spec = self._region, terms.spec
        now = region.clock.now()
        if until is not None and keep_days is None:
            keep_days = self._days_until(terms, data_class, until, now, origin)
        plan = self._plans.known(terms, data_class, now)
        if plan is not None and keep_days is None and origin is None:
            term = plan.term
        else:
            term = retain_for(region.topology, spec, data_class, now, keep_days, origin)
        minted = RecordId.mint(
            data_class,
            region.name,
            now,
            term.expiry_day,
            tenant=spec.id,
            entropy=self._entropy,
            key=key,
            secret=self._secret,
        )
        return minted if origin is None else minted.for_older()

    def _days_until(
        self,
        terms: TenantTerms,
        data_class: DataClass,
        until: datetime,
        now: datetime,
        origin: date | None,
    ) -> int | None:
        """Return for how many days a record is kept that is readable until a moment.

        None: what its tenant says; then nothing is stored.
        """
        topology = self._region.topology
        if not retain(topology, terms.spec, data_class, now, origin).stored:
            return None
        return days_until(topology, until, now, origin)

    def put(
        self,
        terms: TenantTerms,
        new: NewRecord,
        record_id: RecordId,
        answer: A,
    ) -> A:
        """Queue a record. Refusals are raised at once; the answer gives the result.

        Return what to wait for. One that is ``InTurn`` is of a bulk write, which waits for a pack
        to fill: see ``urge``.
        """
        record = self._begin(terms, new, record_id, answer)
        if record is not None and record.streamed:
            write_large(self._region, self._keys, record, [new.body])
        elif record is not None:
            self._seal(record, new.body)
            wait, bulk = self._region.limits.wait, isinstance(answer, InTurn)
            if isinstance(answer, InTurn):
                answer.lane = record.lane
            return cast(A, self._lanes.submit(record, bulk=bulk, wait=wait))
        return answer

    def urge(self, tenant: str, answer: InTurn) -> None:
        """Have a record of a bulk write flushed now: its caller waits for it, and adds nothing."""
        if answer.lane is not None and answer.id is not None:
            self._lanes.urge(answer.lane, (tenant, answer.id.unique))

    def queue(
        self,
        terms: TenantTerms,
        new: NewRecord,
        record_id: RecordId,
        answer: Answer,
        *,
        since: float,
    ) -> bool:
        """Queue a record that shares a pack. Otherwise do nothing, and return False.

        It waits for room as if the wait had begun at ``since`` (monotonic). Raises Busy if the time
        for that is over, also if there is room now: others wait behind it for theirs.
        """
        if monotonic() > since + self._region.limits.wait:
            raise busy()
        record = self._begin(terms, new, record_id, answer)
        if record is None:
            return True
        if record.streamed:
            return False
        self._seal(record, new.body)
        wait = max(0.0, since + self._region.limits.wait - monotonic())
        self._lanes.submit(record, bulk=False, wait=wait)
        return True

    def stream(
        self,
        terms: TenantTerms,
        new: NewRecord,
        record_id: RecordId,
        answer: A,
        chunks: Iterable[bytes],
    ) -> A:
        """Store a body of any length as a pack of its own, in the caller's thread."""
        record = self._prepare(terms, new, record_id, answer, own_pack=True)
        if record is not None:
            write_large(self._region, self._keys, record, chunks)
        return answer

    def _flush(self, batches: Batches) -> None:
        """Write packs, and tell how long it took."""
        began = monotonic()
        try:
            write_packs(self._region, self._keys, batches)
        finally:
            records = sum(map(len, batches))
            size = sum(len(record.sealed) for batch in batches for record in batch)
            done = Flush(monotonic() - began, len(batches), records, size)
            self._region.meters.flushed(self._region.name, done)

    def close(self, until: float) -> None:
        """Wait until all queued records are resolved, or it is ``until``. See ``Lanes.close``."""
        self._lanes.close(until)

    def _begin(
        self, terms: TenantTerms, new: NewRecord, record_id: RecordId, answer: Answer
    ) -> SealedRecord | None:
        limits = self._region.limits
        if len(new.body) > limits.body:
            raise BodyTooLarge
        own_pack = len(new.body) >= limits.own_pack
        return self._prepare(terms, new, record_id, answer, own_pack=own_pack)

    def _seal(self, record: SealedRecord, body: bytes) -> None:
        record.sealed = seal_body(record.record_key, body, associated(record.id, record.tenant))
        record.size = len(body)
        record.content = (hashlib.sha256(body).digest(), *record.content)
        record.fingerprint = fingerprint(record.record_key, record.content)

    def _prepare(
        self,
        terms: TenantTerms,
        new: NewRecord,
        record_id: RecordId,
        answer: Answer,
        *,
        own_pack: bool,
    ) -> SealedRecord | None:
        """Prepare everything but the body. Under zero retention, answer; there is no record."""
        region = self._region
        origin = new.origin.date if new.origin is not None else None
        check_origin(record_id, origin)
        check_kept(region.topology, record_id, new.keep_days, origin)
        now = region.clock.now()
        kept = self._plans.find(terms, new.data_class, now)
        placement = kept.plan.placement.demand()
        term = kept.plan.accept(record_id, now, 2 * region.clock.error, origin=origin)
        if not term.stored:
            answer.set_result(PutResult(record_id, stored=False, deadline=None))
            return None
        check_until(region.topology, record_id, new.readable_until, now)
        own_pack = own_pack or term.expiry_day is None
        lane = kept.lanes.get((term.expiry_day, own_pack))
        if lane is None:
            lane = self._lane(terms, placement, term, own_pack=own_pack)
            kept.lanes[term.expiry_day, own_pack] = lane
        record_key = new_key(self._entropy)
        of, slot = lane
        record = SealedRecord(
            answer, terms, record_id, term.deadline, of, record_key, own_pack, now.date()
        )
        self._describe(record, new)
        if slot is not None:
            record.key_id, record.wrapped_key = self._keys.wrap_for_day(
                record_key, slot, terms, of.keys_on, of.required
            )
        return record

    def _describe(self, record: SealedRecord, new: NewRecord) -> None:
        """Set lineage, metadata, and all of the fingerprinted content but the body."""
        if new.metadata:
            aad = associated(record.id, record.tenant)
            record.sealed_metadata = seal_metadata(record.record_key, new.metadata, aad)
        record.lineage = Lineage(
            self._pseudonyms(record.tenant, "subject", new.subject),
            self._pseudonyms(record.tenant, "group", new.group),
            (),
            record.id.minted,
        )
        record.parents = tuple(dict.fromkeys(new.derived_from))
        record.incomplete = new.incomplete
        record.readable_until = new.readable_until
        record.content = (
            json.dumps(dict(new.metadata), sort_keys=True).encode() if new.metadata else b"{}",
            framed((new.subject or "").encode(), (new.group or "").encode()),
            b"".join(parent.unique for parent in record.parents),
            bytes([new.incomplete]),
        )
        record.origin = new.origin
        if new.origin is not None:  # of other records the fingerprint is as it always was
            taken_in = new.origin.date.isoformat().encode()
            record.content += (framed(b"origin", taken_in, new.origin.source),)

    def _lane(
        self, terms: TenantTerms, placement: Placement, term: Term, *, own_pack: bool
    ) -> Lane:
        day, spec = term.expiry_day, terms.spec
        self._ensure_day(day)
        own = spec.dedicated or own_pack or self._region.region.dedicates(spec.id)
        key = LaneKey(
            placement.backends,
            placement.lawful,
            placement.required,
            day,
            spec.id if own else None,
        )
        return Lane(key, None if day is None else self._keys.slot_of(terms, day))

    def _ensure_day(self, day: date | None) -> None:
        """Make the partition of a day if the worker has not made it ahead."""
        if day is None or day in self._days:
            return
        with self._region.catalog.begin() as connection:
            days.lock_making(connection)
            days.make(connection, [day])
        self._days.add(day)

    def _pseudonyms(self, tenant: str, kind: Kind, name: str | None) -> tuple[bytes, ...]:
        return () if name is None else tuple(self._region.pseudonyms.all(tenant, kind, name))
