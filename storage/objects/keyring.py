"""Day keys and file keys: made once, kept beside the packs, never in the catalog.

A key is announced in the catalog, written once per backend, read back, and only then used. Which
key objects exist is in the catalog; what they hold is on the backends, sealed by the root key.
"""

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import daykeys, days, objects
from storage.catalog.objects import NewObject, ObjectKind, Replica
from storage.crypto.record import new_key
from storage.errors import BackendError, Corrupt, KeyUnavailable, TooFewReplicas
from storage.model import ReplicaState, TenantSpec
from storage.objects.transfer import Sent, preserve, send
from storage.region import OpenRegion

SHARDS = 64
_REMEMBERED = 4096


def shard_of(tenant: str) -> int:
    """Which of a day's shared keys a tenant uses."""
    return hashlib.sha256(b"shard\0" + tenant.encode()).digest()[0] % SHARDS


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A key to be made. ``slot``: day, shard and tenant of a day key."""

    kind: ObjectKind
    backends: tuple[str, ...]
    required: int
    tenant: str | None
    slot: tuple[date, int, str] | None


class KeyRing:
    """The opened keys of one region. Safe to use from many threads."""

    def __init__(self, region: OpenRegion) -> None:
        """Nothing is read before it is needed."""
        self._region = region
        self._opened: OrderedDict[UUID, bytes] = OrderedDict()
        self._current: OrderedDict[tuple[date, int, str], UUID] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def day_key(
        self, day: date, tenant: TenantSpec, backends: Sequence[str], required: int
    ) -> tuple[UUID, bytes]:
        """The key that wraps a tenant's record keys for an expiry day; made if there is none."""
        slot = (day, -1, tenant.id) if tenant.dedicated else (day, shard_of(tenant.id), "")
        with self._lock:
            known = self._current.get(slot)
        if known is None:
            with self._making:
                known = self._find_or_make(slot, backends, required)
        return known, self.open(known)

    def file_key(
        self, tenant: TenantSpec, backends: Sequence[str], required: int
    ) -> tuple[UUID, bytes]:
        """A new key for one file."""
        return self._make(_Wanted(ObjectKind.FILE_KEY, tuple(backends), required, tenant.id, None))

    def hold_key(self, tenant: str, backends: Sequence[str], required: int) -> tuple[UUID, bytes]:
        """A new key for what is held of one pack. Raises TooFewReplicas."""
        return self._make(_Wanted(ObjectKind.HOLD_KEY, tuple(backends), required, tenant, None))

    def open(self, key_id: UUID) -> bytes:
        """A key by the id of its object. Raises KeyUnavailable."""
        with self._lock:
            if key_id in self._opened:
                self._opened.move_to_end(key_id)
                return self._opened[key_id]
        key = self._fetch(key_id)
        self._remember(key_id, key)
        return key

    def forget(self, day: date) -> None:
        """The day is over: its keys are not to be used any more."""
        with self._lock:
            for slot in [slot for slot in self._current if slot[0] == day]:
                self._opened.pop(self._current.pop(slot), None)

    def _remember(self, key_id: UUID, key: bytes) -> None:
        with self._lock:
            self._opened[key_id] = key
            while len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)

    def _find_or_make(
        self, slot: tuple[date, int, str], backends: Sequence[str], required: int
    ) -> UUID:
        with self._lock:
            if slot in self._current:
                return self._current[slot]
        with self._region.catalog.begin() as connection:
            known = daykeys.ready(connection, *slot)
        if known is None:
            kind = ObjectKind.DAY_KEY
            known, _ = self._make(_Wanted(kind, tuple(backends), required, slot[2] or None, slot))
        with self._lock:
            self._current[slot] = known
            while len(self._current) > _REMEMBERED:
                self._current.popitem(last=False)
        return known

    def _make(self, wanted: _Wanted) -> tuple[UUID, bytes]:
        """Write a key, and give the one to use: another process may have been first."""
        region, now = self._region, self._region.clock.now()
        deadline = region.deadline(now)
        day = wanted.slot[0] if wanted.slot else None
        new = NewObject(
            region.new_uuid(now), wanted.kind, day, wanted.tenant, wanted.backends, now, deadline
        )
        targets = {b: (region.new_uuid(now), region.lands_by(b, deadline)) for b in wanted.backends}
        key = new_key(region.entropy)
        sealed = region.roots.wrap(key, _context(new.id))
        with region.catalog.begin() as connection:
            attempts = objects.announce(connection, new, targets)
            if wanted.slot is not None:
                daykeys.announce(connection, new.id, *wanted.slot)
        sent = self._read_back(attempts, send(region, attempts, sealed, until=deadline), sealed)
        sent = preserve(region, wanted.kind, attempts, sent)
        used = region.catalog.run(lambda c: self._settle(c, wanted, new, sent, sealed))
        if used is None:
            raise TooFewReplicas(sent.causes)
        if used == new.id:
            self._remember(used, key)
        return used, self.open(used)

    def _read_back(self, attempts: Sequence[Replica], sent: Sent, sealed: bytes) -> Sent:
        """Count only what a backend gives back: a lost key would lose a day of records."""
        stored, failed, causes = [], dict(sent.failed), dict(sent.causes)
        for attempt in attempts:
            if attempt.id not in sent.stored:
                continue
            try:
                same = hmac.compare_digest(
                    self._region.backends[attempt.backend].get(attempt.key), sealed
                )
                code = None if same else "Corrupt"
            except BackendError as error:
                code = error.code
            if code is None:
                stored.append(attempt.id)
            else:
                failed[attempt.id] = causes[attempt.backend] = code
        return Sent(tuple(stored), failed, causes)

    def _settle(
        self, connection: Connection, wanted: _Wanted, new: NewObject, sent: Sent, sealed: bytes
    ) -> UUID | None:
        """The key to use from now on, if it is on enough backends and its day is still open."""
        now = self._region.clock.now()
        objects.lock(connection, [new.id])  # before its replicas, as the reaper does
        objects.record_results(connection, sent.stored, sent.failed, now)
        used: UUID | None = None
        open_day = wanted.slot is None or days.is_open(connection, wanted.slot[0])
        if len(sent.stored) >= wanted.required and open_day:
            digest, again = hashlib.sha256(sealed).digest(), now if sent.failed else None
            if objects.finish(connection, new.id, len(sealed), digest, replicate_at=again):
                slot = wanted.slot
                used = daykeys.claim(connection, new.id, *slot) if slot else new.id
        if used != new.id:
            objects.mark_for_purge(connection, [new.id], now)
        return used

    def _fetch(self, key_id: UUID) -> bytes:
        with self._region.catalog.begin() as connection:
            found = objects.replicas_of(connection, [key_id], [ReplicaState.STORED])
        last: BackendError | KeyUnavailable | None = None
        for attempt in found.get(key_id, []):
            try:
                sealed = self._region.backends[attempt.backend].get(attempt.key)
                return self._region.roots.unwrap(sealed, _context(key_id))
            except (BackendError, KeyUnavailable) as error:
                last = error
        raise KeyUnavailable(
            "The key of that record cannot be had.", advice="Try again when its backends answer."
        ) from last


def opens(region: OpenRegion, key_id: UUID, sealed: bytes) -> bool:
    """Whether that is what a key object of that id holds, and a root key opens it."""
    try:
        region.roots.unwrap(sealed, _context(key_id))
    except (Corrupt, KeyUnavailable):
        return False
    return True


def _context(key_id: UUID) -> bytes:
    return b"domicile key object " + key_id.bytes
