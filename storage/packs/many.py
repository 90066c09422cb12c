"""Many records of one tenant in one call: one look at the catalog, few requests to backends.

All are decided at one moment, after the call began. What cannot be read together is read alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import objects, records
from storage.catalog.objects import Replica
from storage.errors import DomicileError, InvalidRequest
from storage.meters import Timed
from storage.model import Actor, DataClass, Purpose, Record, RecordId, ReplicaState
from storage.objects.keyring import KeyRing
from storage.packs.gather import gather
from storage.packs.openings import decider
from storage.packs.reader import Permitted, Reader, decrypt, info, metadata_of, open_with
from storage.region import OpenRegion

MOST_IDS: Final = 1000
MOST_BYTES: Final = 64 * 1024 * 1024  # of bodies in one answer

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
        looked = self.region.catalog.look(lambda connection: self._look(connection, ids))
        fit = dict(_that_fit(looked.permitted))
        sealed = gather(self.region, [one.row for one in fit.values()], looked.stored)
        found: dict[RecordId, Answer] = dict(looked.refused)
        for record_id in dict.fromkeys(ids):
            if record_id in fit:
                found[record_id] = self._open(fit[record_id], looked.stored, sealed)
            elif record_id in looked.permitted:
                found[record_id] = _too_much()
            elif record_id not in looked.refused:
                found[record_id] = self._alone(record_id)
        return [found[record_id] for record_id in ids]

    def _look(self, connection: Connection, ids: Sequence[RecordId]) -> _Looked:
        names = {(self.tenant, i) for i in ids}
        rows = records.find_all(connection, names)
        decide = decider(self.region, connection, self.tenant, self.actor, self.purpose)
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
    ) -> Answer:
        row, sealed = one.row, gathered.get(one.row.id.unique)
        try:
            opened = open_with(self.keys, one, stored.get(row.object_id, ()))
            if opened is not None and sealed is not None:
                body, metadata = decrypt(opened, sealed, 0, row.size), metadata_of(opened)
                if self.region.clock.now() < opened.until:
                    return Record(info(row, one.term), body, metadata)
        except DomicileError:  # another replica may be readable
            pass
        return self._alone(row.id)

    def _alone(self, record_id: RecordId) -> Answer:
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


def _too_much() -> InvalidRequest:
    return InvalidRequest(
        f"The records before it have {MOST_BYTES // 1024**2} MiB: it is not in this answer.",
        advice="Ask for it in another call.",
    )
