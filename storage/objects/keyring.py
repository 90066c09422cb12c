"""Day keys, file keys and hold keys: written once beside the packs, never in the catalog.

A key is announced in the catalog, written once per backend, read back, and only then used. The
catalog knows which key objects exist; the backends hold the keys, wrapped by the root key.

None of these keys leaves the ring. It wraps the keys of records, wraps them again, and gives one
against a permit for that record.
"""

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from storage.catalog import daykeys, objects
from storage.catalog.daykeys import Slot
from storage.catalog.kinds import ObjectKind
from storage.catalog.records import Row
from storage.catalog.tenants import TenantTerms
from storage.crypto.keyobject import key_context
from storage.crypto.record import fingerprint, unwrap_key, wrap_key
from storage.errors import (
    BackendError,
    Corrupt,
    DomicileError,
    KeyAbsent,
    KeyUnavailable,
    PurposeRefused,
)
from storage.model import Purpose, ReplicaState, StaffPermit
from storage.objects.keymaking import NewKey, make_keys
from storage.objects.transfer import fetch, read_order
from storage.policy import Permit
from storage.region import OpenRegion

T = TypeVar("T")

SHARDS = 64
_CACHED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """A caller that waits for a day key."""

    slot: Slot
    new: NewKey
    answer: Future[UUID] = field(default_factory=Future)


Wrapped = tuple[UUID, bytes]
"""A wrapped record key, after the id of the key object that wraps it."""


@lru_cache(_CACHED)
def shard_of(tenant: str) -> int:
    """Return the number of the shared day key that a tenant uses."""
    return hashlib.sha256(b"shard\0" + tenant.encode()).digest()[0] % SHARDS


class KeyRing:
    """The opened keys of one region. Safe for many threads."""

    def __init__(self, region: OpenRegion) -> None:
        """Read nothing before it is needed."""
        self._region = region
        self._opened: OrderedDict[UUID, bytes] = OrderedDict()
        self._current: OrderedDict[Slot, UUID] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._queue: list[_Wanted] = []

    def slot_of(self, terms: TenantTerms, day: date) -> Slot:
        """Return which key of an expiry day wraps the keys of the tenant's records."""
        tenant = terms.spec.id
        own = terms.own_day_keys or self._region.region.dedicates(tenant)
        return (day, -1, tenant) if own else (day, shard_of(tenant), "")

    def wrap_for_day(
        self,
        record_key: bytes,
        slot: Slot,
        terms: TenantTerms,
        backends: Sequence[str],
        required: int,
    ) -> Wrapped:
        """Wrap a record key under the key of a slot, which is made if absent.

        Raises TooFewReplicas and TermsChanged.
        """
        with self._lock:
            known = self._current.get(slot)
            key = self._opened.get(known) if known is not None else None
        if known is None:
            kind, of = ObjectKind.DAY_KEY, slot[2] or None
            known = self._find_or_make(slot, NewKey(kind, backends, required, of, terms, slot))
        return known, wrap_key(key or self._open(known), record_key)

    def wrap_for_file(
        self, record_key: bytes, terms: TenantTerms, backends: Sequence[str], required: int
    ) -> Wrapped:
        """Wrap the key of a file under a new key of its own. Raises as ``wrap_for_day`` does."""
        of = terms.spec.id
        made = self._make(NewKey(ObjectKind.FILE_KEY, backends, required, of, terms))
        return made, wrap_key(self._open(made), record_key)

    def rewrap_for_hold(
        self, rows: Sequence[Row], backends: Sequence[str], required: int
    ) -> Sequence[Wrapped]:
        """Wrap the keys of held records of one tenant again, under a new key for all of them.

        The key service does it: no key leaves there. The new key is made last. Raises
        TooFewReplicas and KeyUnavailable.
        """
        of_key: dict[UUID, list[bytes]] = {}
        for row in rows:
            of_key.setdefault(row.key_id, []).append(row.wrapped_key)
        for key_id in of_key:
            self._open(key_id)
        made = self._make(NewKey(ObjectKind.HOLD_KEY, backends, required, rows[0].tenant))
        again: dict[bytes, bytes] = {}
        for key_id, wrapped in of_key.items():
            again.update(zip(wrapped, self._rewrap(key_id, wrapped, made), strict=True))
        return [(made, again[row.wrapped_key]) for row in rows]

    def _rewrap(self, key_id: UUID, wrapped: Sequence[bytes], hold_key: UUID) -> Sequence[bytes]:
        roots, old, new = self._region.roots, key_context(key_id), key_context(hold_key, hold=True)

        def rewrap(sealed: bytes) -> Sequence[bytes]:
            return self._from_replicas(
                hold_key, lambda target: roots.rewrap(sealed, old, wrapped, target, new)
            )

        return self._from_replicas(key_id, rewrap)

    def matches(self, row: Row, content: Sequence[bytes]) -> bool:
        """Return whether a stored record has this content. Raises KeyUnavailable."""
        return hmac.compare_digest(fingerprint(self._unwrap(row), content), row.fingerprint)

    def record_key(self, row: Row, permit: Permit) -> bytes | None:
        """Return the key of one record. None: the permit is over by now, so decide again.

        For a person the key service unwraps it, and decides again. Raises PurposeRefused unless the
        permit is for the record, KeyUnavailable and Unavailable.
        """
        if not permit.covers(row.tenant, row.id.unique):
            raise PurposeRefused("The permit is for another record.", reasons=("permit",))
        key = self._unwrap_for(row, permit)
        return key if self._region.clock.now() < permit.until else None  # the key may come late

    def _unwrap_for(self, row: Row, permit: Permit) -> bytes:
        region = self._region
        if not permit.actor.staff:
            return self._unwrap(row)
        return self._from_replicas(
            row.key_id,
            lambda sealed: region.roots.unwrap_record(sealed, _shown(region, row, permit)),
        )

    def _unwrap(self, row: Row) -> bytes:
        return unwrap_key(self._open(row.key_id), row.wrapped_key)

    def _open(self, key_id: UUID) -> bytes:
        """Return a key by the id of its object. Raises KeyUnavailable."""
        with self._lock:
            if key_id in self._opened:
                self._opened.move_to_end(key_id)
                return self._opened[key_id]
        roots, context = self._region.roots, key_context(key_id)
        key = self._from_replicas(key_id, lambda sealed: roots.unwrap(sealed, context))
        self._cache(key_id, key)
        return key

    def evict(self, day: date) -> None:
        """Remove the keys of an expired day from the cache."""
        with self._lock:
            for slot in [slot for slot in self._current if slot[0] == day]:
                self._opened.pop(self._current.pop(slot), None)

    def _cache(self, key_id: UUID, key: bytes) -> None:
        with self._lock:
            self._opened[key_id] = key
            while len(self._opened) > _CACHED:
                self._opened.popitem(last=False)

    def _find_or_make(self, slot: Slot, new: NewKey) -> UUID:
        """Return the key of a slot. One thread at a time makes those that all are waiting for."""
        wanted = _Wanted(slot, new)
        with self._lock:
            if slot in self._current:
                return self._current[slot]
            self._queue.append(wanted)
        while not wanted.answer.done():
            with self._making:
                if not wanted.answer.done():
                    self._answer_all()
        return wanted.answer.result()

    def _answer_all(self) -> None:
        """Find or make the keys that are wanted now."""
        with self._lock:
            queue, self._queue = self._queue, []
        try:
            self._answer({one.slot: one for one in reversed(queue)}, queue)
        except BaseException as error:  # noqa: BLE001 - every caller must get an answer
            for one in queue:
                if not one.answer.done():
                    one.answer.set_exception(error)

    def _answer(self, first: Mapping[Slot, "_Wanted"], queue: Sequence["_Wanted"]) -> None:
        """Answer the first caller of each slot, and with the same key all others."""
        with self._region.catalog.begin() as connection:
            known = daykeys.ready(connection, first.keys())
        absent = [one for slot, one in first.items() if slot not in known]
        made = make_keys(self._region, [one.new for one in absent]) if absent else []
        for one, found in zip(absent, made, strict=True):
            if isinstance(found, DomicileError):
                one.answer.set_exception(found)
                continue
            known[one.slot], key = found
            if key is not None:
                self._cache(known[one.slot], key)
        with self._lock:
            self._current.update(known)
            while len(self._current) > _CACHED:
                self._current.popitem(last=False)
            for one in queue:
                if one.slot in known:
                    one.answer.set_result(known[one.slot])
                elif not one.answer.done():  # it was not for its own terms that the key failed
                    self._queue.append(one)

    def _make(self, new: NewKey) -> UUID:
        """Make a key that is not a day key."""
        (made,) = make_keys(self._region, [new])
        if isinstance(made, DomicileError):
            raise made
        key_id, key = made
        if key is not None:
            self._cache(key_id, key)
        return key_id

    def _from_replicas(self, key_id: UUID, use: Callable[[bytes], T]) -> T:
        """Return what is made of a key object, as a root key wrapped it. Raises KeyUnavailable."""
        with self._region.catalog.begin() as connection:
            known = objects.find_object(connection, key_id)
            found = objects.replicas_of(connection, [key_id], [ReplicaState.STORED])
        failures: list[BackendError | KeyUnavailable | Corrupt] = []
        for replica, patience in read_order(self._region, found.get(key_id, [])):
            try:
                sealed = fetch(self._region, replica, patience, 0, None)
                if known is None or _is_intact(sealed, known.digest):
                    return use(sealed)
                failures.append(Corrupt(f"{replica.backend} has another key than was written."))
            except (BackendError, KeyUnavailable) as error:
                failures.append(error)
        cause = failures[-1] if failures else None
        if all(isinstance(one, (KeyAbsent, Corrupt)) for one in failures):
            raise KeyUnavailable(
                "No backend has the key of that record as it was written.",
                advice=Corrupt.usual_advice,
                lost=True,
            ) from cause
        raise _unavailable(failures) from cause


def _unavailable(failures: Sequence[DomicileError]) -> KeyUnavailable:
    """Return why no replica of a key can be used. What the root key's holder says comes first."""
    told = [one for one in failures if isinstance(one, KeyUnavailable) and not one.lost]
    if not told:
        return KeyUnavailable(
            "The key of that record is not available.", advice="Try again when its backends answer."
        )
    error = KeyUnavailable(told[0].message, advice=told[0].advice)
    error.retryable = told[0].retryable
    return error


def _is_intact(sealed: bytes, digest: bytes | None) -> bool:
    """Return whether the bytes of a key object are those that were written, as far as known."""
    return digest is None or hmac.compare_digest(hashlib.sha256(sealed).digest(), digest)


def _shown(region: OpenRegion, row: Row, permit: Permit) -> StaffPermit:
    """Return what the key service checks by itself: good for one use."""
    assert permit.grant is not None
    assert isinstance(permit.purpose, Purpose)
    return StaffPermit(
        region.name,
        permit.grant,
        permit.purpose,
        row.tenant,
        row.id,
        permit.actor,
        region.entropy(16),
        region.clock.now(),
    )


def opens(region: OpenRegion, key_id: UUID, sealed: bytes) -> bool:
    """Return whether a root key wrapped these bytes as the hold key of that id.

    Raises KeyUnavailable if the root keys cannot be used, which says nothing of the bytes.
    """
    context = key_context(key_id, hold=True)
    try:
        region.roots.rewrap(sealed, context, (), sealed, context)
    except (Corrupt, KeyUnavailable) as error:
        if isinstance(error, KeyUnavailable) and not error.retryable:
            raise
        return False
    return True
