"""From an id to plaintext: row and permit, key, one ranged GET, decrypt.

A replica that fails is skipped; a replica that returns bad bytes is also marked corrupt, so that a
good one replaces it. Bad bytes are never returned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.catalog import objects
from storage.catalog.objects import Replica
from storage.catalog.records import Row
from storage.crypto.record import associated, open_body, open_flags, open_metadata
from storage.crypto.stream import chunk_span, open_range
from storage.errors import (
    BackendUnavailable,
    Corrupt,
    DomicileError,
    KeyAbsent,
    Unavailable,
)
from storage.meters import Timed
from storage.model import Flag, Record, RecordId, RecordInfo, ReplicaState
from storage.objects.keyring import KeyRing
from storage.objects.transfer import fetch, read_order
from storage.policy import Permit, Term
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Permitted:
    """The row of a record, the permit to open it, and its term as it is today.

    ``stored``: the stored replicas of its pack, if they were found with it.
    """

    row: Row
    permit: Permit
    term: Term
    stored: Sequence[Replica] | None = None


Find = Callable[[Connection, str, RecordId], Permitted]
"""Returns a tenant's record, by its id, if it may be opened; raises if not.

It only reads, and decides again at each call: an open file calls it for each range.
"""

_COMPACTIONS = 3  # how often a pack may be compacted while it is read


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that may be opened now: its row, its key, and its replicas, primary first.

    ``until``: when its permit ends.
    """

    row: Row
    key: bytes
    replicas: tuple[Replica, ...]
    term: Term
    until: datetime

    @property
    def aad(self) -> bytes:
        """The additional data that binds ciphertext to this record."""
        return associated(self.row.id, self.row.tenant)


class Reader:
    """Reads records of one region. Safe for many threads."""

    def __init__(self, region: OpenRegion, keys: KeyRing, find: Find) -> None:
        """Share the keys with the region's writer. ``find`` decides what may be read."""
        self._region = region
        self._keys = keys
        self._find = find

    def get(self, tenant: str, record_id: RecordId) -> Record:
        """Return a whole record.

        Raises NotFound, Erased, Expired, PurposeRefused, Corrupt, KeyUnavailable or Unavailable.
        """
        with self._timed("get"):
            opened, body = self._read(tenant, record_id, 0, None)
            return Record(info(opened.row, opened.term), body, metadata_of(opened))

    def metadata(self, tenant: str, record_id: RecordId) -> Record:
        """Return a record with an empty body. Raises like ``get``."""
        opened = self.opened(tenant, record_id)
        return Record(info(opened.row, opened.term), b"", metadata_of(opened))

    def flags(self, tenant: str, record_id: RecordId) -> tuple[Flag, ...]:
        """Return the flags of a record. Raises like ``get``."""
        opened = self.opened(tenant, record_id)
        return flags_of(opened, opened.row.sealed_flags)

    def read_range(self, tenant: str, record_id: RecordId, start: int, stop: int) -> bytes:
        """Return bytes of a record that may still be read. Raises like ``get``."""
        with self._timed("range"):
            return self._read(tenant, record_id, start, stop)[1]

    def _timed(self, call: str) -> Timed:
        return Timed(self._region.meters, self._region.name, call)

    def _read(
        self, tenant: str, record_id: RecordId, start: int, stop: int | None
    ) -> tuple[Opened, bytes]:
        opened, body = self._fetch(tenant, record_id, start, stop)
        if self._region.clock.now() >= opened.until:  # a backend took long: it may not be read now
            self.opened(tenant, record_id)
        return opened, body

    def _fetch(
        self, tenant: str, record_id: RecordId, start: int, stop: int | None
    ) -> tuple[Opened, bytes]:
        opened = self.opened(tenant, record_id)
        for _ in range(_COMPACTIONS):
            try:
                return opened, self._read_from_replicas(opened, start, stop)
            except (BackendUnavailable, Corrupt):
                again = self.opened(tenant, record_id)
                if again.row.object_id == opened.row.object_id:
                    raise
                opened = again  # its pack was compacted meanwhile
        return opened, self._read_from_replicas(opened, start, stop)

    def _read_from_replicas(self, opened: Opened, start: int, stop: int | None) -> bytes:
        """Return the range from the first replica that returns it as it was written."""
        row, failures = opened.row, dict[str, DomicileError]()
        start, stop = min(start, row.size), row.size if stop is None else min(stop, row.size)
        first, last = 0, row.length
        if row.streamed:
            span = chunk_span(start, stop, row.size)
            first, last = span.start, span.stop
        for replica, patience in read_order(self._region, opened.replicas):
            try:
                begin, end = row.start + first, row.start + last
                sealed = fetch(self._region, replica, patience, begin, end)
                return decrypt(opened, sealed, start, stop)
            except (KeyAbsent, Corrupt) as error:
                self._mark_corrupt(replica)
                failures[replica.backend] = error
            except DomicileError as error:
                failures[replica.backend] = error
            except Exception as error:  # noqa: BLE001 - another replica may be readable
                failures[replica.backend] = _failed(replica.backend, error)
        raise _unreadable(failures)

    def opened(self, tenant: str, record_id: RecordId) -> Opened:
        """Return a record that may be opened now, with its key. Raises like ``get``."""
        for _ in range(2):  # if the catalog, or a backend with the key, takes long: decide again
            found, stored = self._permitted(tenant, record_id)
            opened = open_with(self._keys, found, stored)
            if opened is not None:
                order = {spec.name: n for n, spec in enumerate(self._region.region.backends)}
                replicas = sorted(stored, key=lambda replica: order.get(replica.backend, 99))
                return replace(opened, replicas=tuple(replicas))
        raise too_long()

    def _permitted(self, tenant: str, record_id: RecordId) -> tuple[Permitted, Sequence[Replica]]:
        def look(connection: Connection) -> tuple[Permitted, Sequence[Replica]]:
            found = self._find(connection, tenant, record_id)
            if found.stored is not None:
                return found, found.stored
            pack = found.row.object_id
            stored = objects.replicas_of(connection, [pack], [ReplicaState.STORED])
            return found, stored.get(pack, [])

        return self._region.catalog.look(look)

    def _mark_corrupt(self, replica: Replica) -> None:
        """Have a replica replaced. Never the last one: a person may still recover data from it."""
        region = self._region
        with region.catalog.begin() as connection:
            objects.find_object(connection, replica.object_id, lock=True)
            stored = objects.replicas_of(connection, [replica.object_id], [ReplicaState.STORED])
            if len(stored.get(replica.object_id, [])) > 1:
                objects.mark_corrupt(connection, replica.id, region.clock.now())


def open_with(keys: KeyRing, found: Permitted, stored: Sequence[Replica]) -> Opened | None:
    """Return a permitted record with its key. None: its permit is over by now, so decide again."""
    key = keys.record_key(found.row, found.permit)
    if key is None:
        return None
    return Opened(found.row, key, tuple(stored), found.term, found.permit.until)


def too_long() -> Unavailable:
    """Return the error of who decided again, and was as slow again."""
    return Unavailable("Opening the record took too long: the permit for it ended meanwhile.")


def info(row: Row, term: Term) -> RecordInfo:
    """Return what may be known of a record without opening it."""
    return RecordInfo(
        row.id,
        row.id.data_class,
        row.size,
        row.written,
        term.deadline,
        row.incomplete,
        flagged=row.sealed_flags is not None,
        origin=row.taken_from,
        readable_until=term.readable_until,
        metadata_version=row.metadata_version,
    )


def decrypt(opened: Opened, sealed: bytes, start: int, stop: int) -> bytes:
    """Return the range from its sealed chunks, or from the whole sealed body. Raises Corrupt."""
    size = opened.row.size
    if opened.row.streamed:
        return open_range(opened.key, opened.aad, sealed, start=start, stop=stop, size=size)
    return open_body(opened.key, sealed, opened.aad, size)[start:stop]


def metadata_of(opened: Opened) -> Mapping[str, object]:
    """Return the metadata of a record. Raises Corrupt."""
    sealed, version = opened.row.sealed_metadata, opened.row.metadata_version
    return {} if sealed is None else open_metadata(opened.key, sealed, opened.aad, version)


def flags_of(opened: Opened, sealed: bytes | None) -> tuple[Flag, ...]:
    """Return the flags of a record from its row. Raises Corrupt."""
    if sealed is None:
        return ()
    return tuple(_flag(opened.row.id, x) for x in open_flags(opened.key, sealed, opened.aad))


def _flag(about: RecordId, x: Mapping[str, Any]) -> Flag:
    at = datetime.fromisoformat(x["at"])
    return Flag(about, x["label"], x["score"], x["classifier"], x["version"], at)


def _failed(backend: str, cause: Exception) -> BackendUnavailable:
    error = BackendUnavailable(backend, f"it failed ({type(cause).__name__})")
    error.__cause__ = cause
    return error


def _unreadable(failures: Mapping[str, DomicileError]) -> DomicileError:
    codes = ", ".join(f"{name}: {error.code}" for name, error in sorted(failures.items()))
    for name, failure in failures.items():
        if not isinstance(failure, (KeyAbsent, Corrupt)):
            error = BackendUnavailable(name, f"No replica can be read now ({codes}).")
            error.__cause__ = failure
            return error
    corrupt = Corrupt(f"No replica returns what was written ({codes or 'it has none'}).")
    corrupt.__cause__ = next(iter(failures.values()), None)
    return corrupt
