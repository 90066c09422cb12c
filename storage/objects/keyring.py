"""Day keys, file keys and hold keys: written once beside the packs, never in the catalog.

A key is announced in the catalog, written once per backend, read back, and only then used. The
catalog knows which key objects exist; the backends hold the keys, wrapped by the root key.
"""

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import daykeys, days, objects, tenants
from storage.catalog.kinds import ObjectKind
from storage.catalog.tenants import TenantTerms
from storage.crypto.record import new_key
from storage.errors import BackendError, Corrupt, KeyUnavailable, TooFewReplicas
from storage.model import ReplicaState
from storage.objects import write
from storage.objects.transfer import Sent, fetch, read_order
from storage.objects.write import Contents, Write
from storage.region import OpenRegion

SHARDS = 64
_CACHED = 4096

Slot = tuple[date, int, str]
"""Day, shard and tenant of a day key. Tenant: empty unless the key is its own."""


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

    def day_key(
        self, day: date, terms: TenantTerms, backends: Sequence[str], required: int
    ) -> tuple[UUID, bytes]:
        """Return the key that wraps a tenant's record keys for an expiry day. Make it if absent.

        Raises TooFewReplicas and TermsChanged.
        """
        tenant = terms.spec.id
        own = terms.own_day_keys or self._region.region.dedicates(tenant)
        slot = (day, -1, tenant) if own else (day, shard_of(tenant), "")
        with self._lock:
            known = self._current.get(slot)
        if known is None:
            with self._making:
                known = self._find_or_make(slot, terms, backends, required)
        return known, self.open(known)

    def file_key(
        self, terms: TenantTerms, backends: Sequence[str], required: int
    ) -> tuple[UUID, bytes]:
        """Make a key for one file. Raises TooFewReplicas and TermsChanged."""
        of = terms.spec.id
        return self._make(ObjectKind.FILE_KEY, backends, required, tenant=of, terms=terms)

    def hold_key(self, tenant: str, backends: Sequence[str], required: int) -> tuple[UUID, bytes]:
        """Make a key for the held records of one pack. Raises TooFewReplicas."""
        return self._make(ObjectKind.HOLD_KEY, backends, required, tenant=tenant)

    def open(self, key_id: UUID) -> bytes:
        """Return a key by the id of its object. Raises KeyUnavailable."""
        with self._lock:
            if key_id in self._opened:
                self._opened.move_to_end(key_id)
                return self._opened[key_id]
        key = self._fetch(key_id)
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

    def _find_or_make(
        self, slot: Slot, terms: TenantTerms, backends: Sequence[str], required: int
    ) -> UUID:
        with self._lock:
            if slot in self._current:
                return self._current[slot]
        with self._region.catalog.begin() as connection:
            known = daykeys.ready(connection, *slot)
        if known is None:
            tenant = slot[2] or None
            known, _ = self._make(
                ObjectKind.DAY_KEY, backends, required, tenant=tenant, terms=terms, slot=slot
            )
        with self._lock:
            self._current[slot] = known
            while len(self._current) > _CACHED:
                self._current.popitem(last=False)
        return known

    def _make(
        self,
        kind: ObjectKind,
        backends: Sequence[str],
        required: int,
        *,
        tenant: str | None,
        terms: TenantTerms | None = None,
        slot: Slot | None = None,
    ) -> tuple[UUID, bytes]:
        """Write a key. Return the one to use: another process may have made it first.

        ``terms``: those by which its backends were chosen.
        """
        region, key = self._region, new_key(self._region.entropy)
        with region.catalog.begin() as connection:
            if terms is not None:
                tenants.check_version(connection, terms)
            day = slot[0] if slot else None
            new = write.announce(region, connection, Contents(kind, day, tenant), backends)
            if slot is not None:
                daykeys.announce(connection, new.id, *slot)
            sealed = region.roots.wrap(key, _context(new.id))
        sent = self._read_back(new.send(sealed), sealed)
        used = region.catalog.run(
            lambda c: self._commit(c, new, sent, sealed=sealed, required=required, slot=slot)
        )
        if used is None:
            raise TooFewReplicas(sent.causes)
        if used == new.id:
            self._cache(used, key)
        return used, self.open(used)

    def _read_back(self, sent: Sent, sealed: bytes) -> Sent:
        """Count a replica only if its backend returns the key: losing it would lose a day."""
        failed = {}
        for replica in sent.good:
            try:
                found = self._region.backends[replica.backend].get(replica.key)
                if not hmac.compare_digest(found, sealed):
                    failed[replica.id] = Corrupt.__name__
            except BackendError as error:
                failed[replica.id] = error.code
        return sent.without(failed)

    def _commit(
        self,
        connection: Connection,
        new: Write,
        sent: Sent,
        *,
        sealed: bytes,
        required: int,
        slot: Slot | None,
    ) -> UUID | None:
        """Return the key to use from now on. None: too few replicas, or the day has expired."""
        open_day = slot is None or days.is_open(connection, slot[0])
        if len(sent.good) < required or not open_day:
            new.reject(connection, sent)
            return None
        digest = hashlib.sha256(sealed).digest()
        if not new.commit(connection, sent, size=len(sealed), digest=digest):
            return None
        used = daykeys.claim(connection, new.id, *slot) if slot else new.id
        if used != new.id:
            objects.mark_for_purge(connection, [new.id], self._region.clock.now())
        return used

    def _fetch(self, key_id: UUID) -> bytes:
        with self._region.catalog.begin() as connection:
            found = objects.replicas_of(connection, [key_id], [ReplicaState.STORED])
        last: BackendError | KeyUnavailable | None = None
        for replica, patience in read_order(self._region, found.get(key_id, [])):
            try:
                sealed = fetch(self._region, replica, patience, 0, None)
                return self._region.roots.unwrap(sealed, _context(key_id))
            except (BackendError, KeyUnavailable) as error:
                last = error
        raise KeyUnavailable(
            "The key of that record is not available.", advice="Try again when its backends answer."
        ) from last


def opens(region: OpenRegion, key_id: UUID, sealed: bytes) -> bool:
    """Return whether a root key opens these bytes as the key object of that id."""
    try:
        region.roots.unwrap(sealed, _context(key_id))
    except (Corrupt, KeyUnavailable):
        return False
    return True


def _context(key_id: UUID) -> bytes:
    return b"domicile key object " + key_id.bytes
