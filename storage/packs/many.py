"""Many records of one tenant in one call: one look at the catalog, few requests to backends.

All are decided at one moment, after the call began. What cannot be read together is read alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import objects, records
from storage.catalog.objects import Replica
from storage.errors import AnswerFull, DomicileError, Unavailable
from storage.meters import Timed
from storage.model import Actor, DataClass, Purpose, Record, RecordId, ReplicaState
from storage.objects.keyring import KeyRing
from storage.packs.gather import gather
from storage.packs.openings import decider
from storage.packs.reader import Permitted, Reader, decrypt, info, metadata_of, open_with
from storage.region import OpenRegion

MOST_IDS: Final = 1000
_MIB: Final = 64
MOST_BYTES: Final = _MIB * 1024 * 1024  # of bodies in one answer

Answer = Record | DomicileError


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the catalog says of each id. One that it does not find is in neither."""

    permitted: Mapping[RecordId, Permitted]
    refused: Mapping[RecordId, DomicileError]
    stored: Mapping[UUID, Sequence[Replica]]


@dataclass(frozen=True, slots=True)
class Many:
    """Reads for an actor without a grant. ``alone``: what reads one record."""

    region: OpenRegion
    keys: KeyRing
    tenant: str
    actor: Actor
    purpose: Purpose
    alone: Reader

    def read(self, ids: Sequence[RecordId]) -> list[Answer]:
        """Return each record, or why it cannot be read, in the order of the ids."""
        with Timed(self.region.meters, self.region.name, "get_many"):
            return self._read(ids)

    def _read(self, ids: Sequence[RecordId]) -> list[Answer]:
        until = monotonic() + self.region.limits.wait
        looked = self.region.catalog.look(lambda connection: self._look(connection, ids))
        fit = dict(_that_fit(looked.permitted))
        small = [one.row for one in fit.values() if one.row.size <= self.region.limits.body]
        sealed = gather(self.region, small, looked.stored, until)
        found: dict[RecordId, Answer] = dict(looked.refused)
        ends: dict[RecordId, datetime] = {}
        for record_id in dict.fromkeys(ids):
            one = fit.get(record_id)
            opened = None if one is None else self._open(one, looked.stored, sealed)
            if one is not None and opened is not None:
                found[record_id], ends[record_id] = opened, one.permit.until
            elif record_id in looked.permitted and one is None:
                found[record_id] = AnswerFull(f"The records before it have {_MIB} MiB.")
            elif record_id not in looked.refused:
                found[record_id] = self._alone(record_id, until)
        for record_id, end in ends.items():  # others may have taken long meanwhile
            if self.region.clock.now() >= end:
                found[record_id] = self._alone(record_id, until)
        return [found[record_id] for record_id in ids]

    def _look(self, connection: Connection, ids: Sequence[RecordId]) -> _Looked:
        names = {(self.tenant, i) for i in ids}
        rows = records.find_all(connection, names)
        decide = decider(
            self.region,
            connection,
            self.tenant,
            self.actor,
            self.purpose,
            now=self.region.clock.now(),
        )
        permitted, refused = dict[RecordId, Permitted](), dict[RecordId, DomicileError]()
        for record_id in dict.fromkeys(ids):
            one = rows.get((self.tenant, record_id.unique))
            if one is None or _place(one.row.id) != _place(record_id):
                continue
            try:
                permitted[record_id] = decide(one.row, one.retention, fenced=one.fenced)
            except DomicileError as error:
                refused[record_id] = error
        packs = {one.row.object_id for one in permitted.values()}
        stored = objects.replicas_of(connection, packs, [ReplicaState.STORED])
        return _Looked(permitted, refused, stored)

    def _open(
        self,
        one: Permitted,
        stored: Mapping[UUID, Sequence[Replica]],
        gathered: Mapping[bytes, bytes],
    ) -> Record | None:
        """Return a record that was gathered. None: read it alone, maybe from another replica."""
        row, sealed = one.row, gathered.get(one.row.id.unique)
        if sealed is None:
            return None
        try:
            opened = open_with(self.keys, one, stored.get(row.object_id, ()))
            if opened is None:
                return None
            body = decrypt(opened, sealed, 0, row.size)
            return Record(info(row, one.term), body, metadata_of(opened))
        except DomicileError:
            return None

    def _alone(self, record_id: RecordId, until: float) -> Answer:
        if monotonic() >= until:
            return Unavailable("The others took too long.", advice="Ask for it in another call.")
        try:
            return self.alone.get(self.tenant, record_id)
        except DomicileError as error:
            return error


def _place(record_id: RecordId) -> tuple[DataClass, date | None]:
    return record_id.data_class, record_id.day


def _that_fit(permitted: Mapping[RecordId, Permitted]) -> Iterator[tuple[RecordId, Permitted]]:
    """Yield records until they fill an answer; one at least."""
    total = 0
    for record_id, one in permitted.items():
        total += one.row.size
        if total > MOST_BYTES and total > one.row.size:
            return
        yield record_id, one
