"""From a record to its pack: place it, mint its key, seal it, queue it."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Literal

from storage.catalog import days
from storage.catalog.tenants import TenantTerms
from storage.crypto.record import (
    associated,
    fingerprint,
    framed,
    new_key,
    seal_body,
    seal_metadata,
    wrap_key,
)
from storage.errors import BodyTooLarge
from storage.model import DataClass, NewRecord, PutResult, RecordId
from storage.objects.keyring import KeyRing
from storage.objects.transfer import send
from storage.packs.flush import write_pack
from storage.packs.queue import Lanes
from storage.packs.sealed import LaneKey, Lineage, SealedRecord
from storage.packs.stream import write_large
from storage.policy import Placement, Term, accept_id, decide_placement, retain
from storage.region import OpenRegion


class Writer:
    """Writes records of one region, which the caller has checked. Safe to use from many threads."""

    def __init__(self, region: OpenRegion, keys: KeyRing, flushers: ThreadPoolExecutor) -> None:
        """``flushers`` run the flushes; the region's pool sends the bytes."""
        self._region = region
        self._keys = keys
        self._secret = region.pseudonyms.id_secret()
        self._days: set[date] = set()
        self._lanes = Lanes(
            region.limits,
            lambda items: write_pack(
                region, keys, items, lambda a, data, until: send(region, a, data, until=until)
            ),
            flushers,
        )

    def new_id(self, known: TenantTerms, data_class: DataClass, key: str | None) -> RecordId:
        """An id for a record of that class, if it is written soon."""
        region, spec = self._region, known.spec
        now = region.clock.now()
        term = retain(region.topology, spec, data_class, now)
        return RecordId.mint(
            data_class,
            region.name,
            now,
            term.expiry_day,
            tenant=spec.id,
            entropy=region.entropy,
            key=key,
            secret=self._secret,
        )

    def put(self, known: TenantTerms, new: NewRecord, *, bulk: bool = False) -> Future[PutResult]:
        """Queue a record. The future gives what became of it; refusals are raised at once."""
        if len(new.body) > self._region.limits.body:
            raise BodyTooLarge
        item = self._prepare(known, new, own_pack=len(new.body) >= self._region.limits.own_pack)
        if isinstance(item, Future):
            return item
        if item.streamed:
            return self._stream(item, [new.body])
        item.sealed = seal_body(item.record_key, new.body, associated(item.id, item.tenant))
        item.size = len(new.body)
        item.content = (hashlib.sha256(new.body).digest(), *item.content)
        item.fingerprint = fingerprint(item.record_key, item.content)
        return self._lanes.submit(item, bulk=bulk, wait=self._region.limits.wait)

    def stream(
        self, known: TenantTerms, new: NewRecord, chunks: Iterable[bytes]
    ) -> Future[PutResult]:
        """Store a body of any length as a pack of its own, in the caller's thread."""
        item = self._prepare(known, new, own_pack=True)
        return item if isinstance(item, Future) else self._stream(item, chunks)

    def _stream(self, item: SealedRecord, chunks: Iterable[bytes]) -> Future[PutResult]:
        write_large(self._region, self._keys, item, chunks)
        return item.future

    def close(self) -> None:
        """Wait for what is queued."""
        self._lanes.close()

    def _prepare(
        self, known: TenantTerms, new: NewRecord, *, own_pack: bool
    ) -> SealedRecord | Future[PutResult]:
        """Everything but the body. A future: nothing is to be stored."""
        region, spec = self._region, known.spec
        record_id = new.id or self.new_id(known, new.data_class, None)
        now = region.clock.now()
        placement = decide_placement(region.topology, spec, new.data_class, now.date()).demand()
        term = accept_id(region.topology, spec, record_id, now, 2 * region.clock.error)
        if not term.stored:
            return _nothing(record_id)
        own_pack = own_pack or term.expiry_day is None
        where = self._where(known, placement, term, own_pack=own_pack)
        item = SealedRecord(
            known, record_id, term.deadline, where, new_key(region.entropy), own_pack
        )
        self._describe(item, new)
        if where.day is not None:
            item.key_id, wrapping = self._keys.day_key(
                where.day, spec, where.keys_on, where.required
            )
            item.wrapped_key = wrap_key(wrapping, item.record_key)
        return item

    def _describe(self, item: SealedRecord, new: NewRecord) -> None:
        """Whom it is about, what it derives from, and all of its content but the body."""
        aad = associated(item.id, item.tenant)
        if new.metadata:
            item.sealed_metadata = seal_metadata(item.record_key, new.metadata, aad)
        item.lineage = Lineage(
            self._pseudonyms(item.tenant, "subject", new.subject),
            self._pseudonyms(item.tenant, "group", new.group),
            (),
            item.id.minted,
        )
        item.parents = tuple(dict.fromkeys(new.derived_from))
        item.incomplete = new.incomplete
        item.content = (
            json.dumps(dict(new.metadata), sort_keys=True).encode(),
            framed((new.subject or "").encode(), (new.group or "").encode()),
            b"".join(parent.unique for parent in item.parents),
            bytes([new.incomplete]),
        )

    def _where(
        self, known: TenantTerms, placement: Placement, term: Term, *, own_pack: bool
    ) -> LaneKey:
        self._ensure_day(term.expiry_day)
        home = self._region.name
        lawful = tuple(v.backend for v in placement.verdicts if v.allowed and v.region == home)
        own = known.spec.id if known.spec.dedicated or own_pack else None
        return LaneKey(placement.backends, lawful, placement.required, term.expiry_day, own)

    def _ensure_day(self, day: date | None) -> None:
        """The worker makes partitions ahead; where none runs yet, the first write does."""
        if day is None or day in self._days:
            return
        with self._region.catalog.begin() as connection:
            days.lock_making(connection)
            days.make(connection, [day])
        self._days.add(day)

    def _pseudonyms(
        self, tenant: str, kind: Literal["subject", "group"], name: str | None
    ) -> tuple[bytes, ...]:
        return () if name is None else tuple(self._region.pseudonyms.all(tenant, kind, name))


def _nothing(record_id: RecordId) -> Future[PutResult]:
    future: Future[PutResult] = Future()
    future.set_result(PutResult(record_id, stored=False, deadline=None))
    return future
