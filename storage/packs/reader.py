"""From an id to plaintext: row and fences, key, one ranged GET, decrypt.

A replica that fails is passed over for the next; one that gives back bad bytes is doomed, so that
a good one is made in its place. Bad bytes are never returned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from regions.model import Service
from storage.catalog import fences, objects, records
from storage.catalog.objects import Replica
from storage.catalog.records import Found, Row
from storage.crypto.record import associated, open_body, open_metadata, unwrap_key
from storage.crypto.stream import chunk_span, open_range
from storage.errors import (
    BackendError,
    BackendUnavailable,
    Corrupt,
    Erased,
    InvalidRequest,
    KeyAbsent,
    NotFound,
)
from storage.model import Purpose, Record, RecordId, RecordInfo, ReplicaState
from storage.objects.keyring import KeyRing
from storage.policy import may_open, may_open_held, term_of
from storage.region import OpenRegion

T = TypeVar("T")

Use = Purpose | Service
"""What content is opened for: a purpose, or to be copied to a processor of that service."""

Find = Callable[[Connection, str, RecordId, Use], Row]
"""Gives the row of a tenant's record, if it may be opened for that; raises if it may not."""

_MOVES = 3  # a pack may be compacted while it is read, and once more; then something is wrong


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that may be opened now: its row, its key, and where its bytes are."""

    row: Row
    key: bytes
    attempts: tuple[Replica, ...]

    @property
    def aad(self) -> bytes:
        """What its parts are bound to."""
        return associated(self.row.id, self.row.tenant)


class Reader:
    """Reads records of one region. Safe to use from many threads."""

    def __init__(self, region: OpenRegion, keys: KeyRing, find: Find | None = None) -> None:
        """Shares the keys with the region's writer. Without ``find``, as the tenant may read."""
        self._region = region
        self._keys = keys
        self._find = find or self._own

    def get(self, tenant: str, record_id: RecordId, purpose: Use) -> Record:
        """A whole record.

        Raises NotFound, Erased, Expired, PurposeRefused, Corrupt or Unavailable.
        """

        def read(opened: Opened) -> Record:
            row = opened.row
            if row.streamed:
                body = self._fetch_range(opened, 0, row.size)
            else:
                stop = row.start + row.length
                body = self._fetch(
                    opened,
                    row.start,
                    stop,
                    lambda sealed: open_body(opened.key, sealed, opened.aad, row.size),
                )
            return Record(info(self._region, row), body, self._metadata(opened))

        return self._with(tenant, record_id, purpose, read)

    def metadata(self, tenant: str, record_id: RecordId, purpose: Use) -> Record:
        """A record without its body: ``body`` is empty. Raises like ``get``."""
        opened = self._open(tenant, record_id, purpose)
        return Record(info(self._region, opened.row), b"", self._metadata(opened))

    def read_range(
        self, tenant: str, record_id: RecordId, purpose: Use, start: int, stop: int
    ) -> bytes:
        """Bytes of a streamed record. Everything is checked again. Raises like ``get``."""
        return self._with(
            tenant, record_id, purpose, lambda opened: self._range(opened, start, stop)
        )

    def _range(self, opened: Opened, start: int, stop: int) -> bytes:
        if not 0 <= start <= stop:
            raise InvalidRequest(
                "A range begins at 0 or later, and ends no earlier than it begins."
            )
        row = opened.row
        start, stop = min(start, row.size), min(stop, row.size)
        if row.streamed:
            return self._fetch_range(opened, start, stop)
        whole = self._fetch(
            opened,
            row.start,
            row.start + row.length,
            lambda sealed: open_body(opened.key, sealed, opened.aad, row.size),
        )
        return whole[start:stop]

    def _with(
        self, tenant: str, record_id: RecordId, purpose: Use, read: Callable[[Opened], T]
    ) -> T:
        """Read; if the bytes are not where the row said, look at the row again."""
        opened = self._open(tenant, record_id, purpose)
        for _ in range(_MOVES):
            try:
                return read(opened)
            except (KeyAbsent, Corrupt, BackendUnavailable):
                again = self._open(tenant, record_id, purpose)
                if again.row.object_id == opened.row.object_id:
                    raise
                opened = again
        return read(opened)

    def _open(self, tenant: str, record_id: RecordId, purpose: Use) -> Opened:
        region = self._region
        with region.catalog.begin() as connection:
            row = self._find(connection, tenant, record_id, purpose)
            stored = objects.replicas_of(connection, [row.object_id], [ReplicaState.STORED])
        order = {spec.name: n for n, spec in enumerate(region.region.backends)}
        attempts = sorted(stored.get(row.object_id, []), key=lambda a: order.get(a.backend, 99))
        key = unwrap_key(self._keys.open(row.key_id), row.wrapped_key)
        return Opened(row, key, tuple(attempts))

    def _own(self, connection: Connection, tenant: str, record_id: RecordId, purpose: Use) -> Row:
        found = records.find(connection, tenant, record_id)
        if found is not None:
            return self._permitted(found, purpose)
        if fences.fenced_by_name(connection, tenant, record_id.unique, record_id.minted):
            raise Erased
        raise NotFound(advice="Check the id and the tenant.")

    def _permitted(self, found: Found, purpose: Use) -> Row:
        term = term_of(found.row.id.day, self._region.topology.bounds)
        may_open(
            self._region.topology,
            data_class=found.row.id.data_class,
            purpose=purpose,
            now=self._region.clock.now(),
            readable_until=term.readable_until,
            fenced=found.fenced,
        ).demand()
        return found.row

    def _fetch_range(self, opened: Opened, start: int, stop: int) -> bytes:
        size = opened.row.size
        span = chunk_span(start, stop, size)
        return self._fetch(
            opened,
            span.start,
            span.stop,
            lambda sealed: open_range(
                opened.key, opened.aad, sealed, start=start, stop=stop, size=size
            ),
        )

    def _fetch(
        self, opened: Opened, start: int, stop: int, decrypt: Callable[[bytes], bytes]
    ) -> bytes:
        """The range from the first replica that gives it back as it was written."""
        failures: dict[str, Exception] = {}
        for attempt in opened.attempts:
            try:
                sealed = self._region.backends[attempt.backend].get(attempt.key, start, stop)
                return decrypt(sealed)
            except (KeyAbsent, Corrupt) as error:
                self._spoil(attempt)
                failures[attempt.backend] = error
            except BackendError as error:
                failures[attempt.backend] = error
        raise _unreadable(failures)

    def _spoil(self, attempt: Replica) -> None:
        """It does not give back what it acknowledged: remove it, and make another from the rest.

        Never the last one: what it holds may yet be of use to a person.
        """
        region = self._region
        with region.catalog.begin() as connection:
            objects.find_object(connection, attempt.object_id, lock=True)
            stored = objects.replicas_of(connection, [attempt.object_id], [ReplicaState.STORED])
            if len(stored.get(attempt.object_id, [])) > 1:
                objects.mark_corrupt(connection, attempt.id, region.clock.now())

    def _metadata(self, opened: Opened) -> Mapping[str, object]:
        sealed = opened.row.sealed_metadata
        return {} if sealed is None else open_metadata(opened.key, sealed, opened.aad)


def under_hold(hold: UUID) -> Find:
    """How a record is found that a hold keeps, whether it is erased, expired or neither."""

    def find(connection: Connection, tenant: str, record_id: RecordId, _use: Use) -> Row:
        rows = records.under_hold(connection, hold, tenant, only=record_id)
        may_open_held(covered=bool(rows)).demand()
        return rows[0]

    return find


def info(region: OpenRegion, row: Row) -> RecordInfo:
    """What may be known of a record without opening it."""
    deadline = term_of(row.id.day, region.topology.bounds).deadline
    return RecordInfo(row.id, row.id.data_class, row.size, row.written, deadline, row.incomplete)


def _unreadable(failures: Mapping[str, Exception]) -> Exception:
    told = ", ".join(f"{name}: {type(e).__name__}" for name, e in sorted(failures.items()))
    for name, failure in failures.items():
        if isinstance(failure, BackendError) and not isinstance(failure, KeyAbsent):
            error = BackendUnavailable(name, f"No replica can be read now ({told}).")
            error.__cause__ = failure
            return error
    corrupt = Corrupt(f"No replica gives back what was written ({told or 'there is none'}).")
    corrupt.__cause__ = next(iter(failures.values()), None)
    return corrupt
