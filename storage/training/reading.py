"""Training: records of a tenant for a run, page by page, each checked when it is handed out.

A page is decided, committed with its uses (and in the ledger), and read with few requests. Its
permits end two seconds after what they rest on was read: then all of it is read again, and decided
again for what is left of the page.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import accumulate
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import consents, objects, records, tenants, training
from storage.catalog.objects import Replica
from storage.catalog.records import Found, Narrow, Row
from storage.catalog.tenants import TenantTerms
from storage.errors import Corrupt, KeyUnavailable, PurposeRefused, TermsChanged, UnknownTenant
from storage.events import NewUse, NewUses
from storage.evidence.manifests import MANIFEST, Manifest, entry_of
from storage.evidence.receipts import sign_compact
from storage.ledger.journal import commit_event
from storage.model import (
    TRAINING_CHUNK,
    Actor,
    DataClass,
    Purpose,
    Record,
    RecordId,
    ReplicaState,
    TrainingRecord,
    Trait,
)
from storage.objects.keyring import KeyRing
from storage.packs.gather import gather
from storage.packs.openings import authority, openable, term_of_found
from storage.packs.reader import (
    Opened,
    Permitted,
    Reader,
    decrypt,
    info,
    metadata_of,
    open_with,
    too_long,
)
from storage.policy import (
    OF_ONE_RECORD,
    Access,
    AccessReason,
    Authority,
    Ground,
    Statement,
    may_open,
)
from storage.region import OpenRegion

UNREADABLE: Final = "unreadable"  # why a record is not handed out that may be
_MOST: Final = 256  # records of a page
_TRIES: Final = 3  # to commit a page while something of it changes


@dataclass(frozen=True, slots=True)
class Reading:
    """Which records of a tenant a run is given, by whom. ``minted``: from a time until another."""

    id: UUID
    run: str
    actor: Actor
    tenant: str
    classes: tuple[DataClass, ...]
    began: datetime
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Decided:
    """A record that may be handed out, and what permits it. ``statement``: None: by silence."""

    permitted: Permitted
    statement: Statement | None


@dataclass(slots=True)
class Trainer:
    """Carries out one reading. Iterate over ``records``, then take the ``manifest``."""

    region: OpenRegion
    keys: KeyRing
    reading: Reading
    skipped: Counter[str] = field(default_factory=Counter)
    count: int = 0
    _entries: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _last: str | None = None  # the line of what is being handed out: not counted yet

    def records(self) -> Generator[TrainingRecord, None, None]:
        """Yield the records that may be handed out, of one class after the other.

        What may not, or is lost, is counted in ``skipped``, by reason. Raises PurposeRefused if
        nothing may be, and Unavailable and KeyUnavailable: the caller reads again.
        """
        for data_class in self.reading.classes:
            after: RecordId | None = None
            while rows := self._rows(data_class, after):
                after = rows[-1].id
                yield from self._page(rows)

    def manifest(self) -> str:
        """Return the signed line of the manifest: of all that was handed out so far."""
        self._count_last()
        reading, region = self.reading, self.region
        stated = Manifest(
            region=region.name,
            tenant=reading.tenant,
            run=reading.run,
            read=reading.id,
            actor=reading.actor.id,
            began=reading.began,
            ended=region.clock.now(),
            records=self.count,
            entries=self._entries.hexdigest(),
            topology=region.topology.digest,
        )
        return sign_compact(stated, region.signing, kind=MANIFEST)

    def drop_last(self) -> None:
        """Leave the last record out of the manifest: nobody received it. Its use stays noted."""
        self._last = None

    def _count_last(self) -> None:
        if self._last is not None:
            self._entries.update(f"{self._last}\n".encode())
            self.count += 1
            self._last = None

    def _rows(self, data_class: DataClass, after: RecordId | None) -> Sequence[Row]:
        reading, now = self.reading, self.region.clock.now()
        narrow = Narrow(data_class, minted=(reading.since, reading.until))
        with self.region.catalog.begin() as connection:
            rows = records.page(
                connection, reading.tenant, narrow, after=after, now=now, limit=_MOST
            )
        fit = sum(size <= self.region.limits.pack for size in accumulate(r.length for r in rows))
        return rows[: max(1, fit)]

    def _page(self, rows: Sequence[Row]) -> Iterator[TrainingRecord]:
        ids = [row.id for row in rows]
        decided, stored = self._committed(ids)
        small = [
            one.permitted.row
            for one in decided.values()
            if one.permitted.row.size <= self.region.limits.body
        ]
        sealed = gather(self.region, small, stored)
        for number, record_id in enumerate(ids):
            one = decided.get(record_id.unique)
            if one is not None and self._is_over(one):
                # only what was noted: what is permitted by now alone, was not
                left = [i for i in ids[number:] if i.unique in decided]
                decided, stored = self._decided_again(left)
                one = decided.get(record_id.unique)
            if one is None:
                continue
            handed = self._hand_out_if_left(one, stored, sealed.pop(record_id.unique, None))
            if handed is not None:
                yield handed

    def _is_over(self, one: _Decided) -> bool:
        return self.region.clock.now() >= one.permitted.permit.until

    def _committed(
        self, ids: Sequence[RecordId]
    ) -> tuple[dict[bytes, _Decided], Mapping[UUID, list[Replica]]]:
        """Decide, and note what is about to be handed out. What changes meanwhile, is left out."""
        for _ in range(_TRIES):
            with self.region.catalog.begin() as connection:
                decided, skipped = self._decide(connection, ids)
            if not decided:
                self.skipped += skipped
                return {}, {}
            try:
                latest, stored = self._note(decided)
            except _Changed:
                continue
            self.skipped += skipped
            return latest, stored
        raise TermsChanged(advice="Try again.")

    def _note(
        self, decided: Mapping[bytes, _Decided]
    ) -> tuple[dict[bytes, _Decided], Mapping[UUID, list[Replica]]]:
        region, reading, now = self.region, self.reading, self.region.clock.now()
        ids = [one.permitted.row.id for one in decided.values()]
        latest: dict[bytes, _Decided] = {}
        stored: Mapping[UUID, list[Replica]] = {}

        def check(connection: Connection) -> None:
            nonlocal latest, stored
            latest, _ = self._decide(connection, ids)
            if latest.keys() != decided.keys():
                raise _Changed
            stored = self._replicas(connection, latest)

        event = NewUses(
            id=region.new_uuid(now),
            tenant=reading.tenant,
            read=reading.id,
            purpose=Purpose.TRAIN,
            run=reading.run,
            job=None,
            actor=reading.actor.id,
            began=reading.began,
            at=now,
            uses=tuple(
                use_of(one.permitted.row, one.statement.id if one.statement else None)
                for one in decided.values()
            ),
        )
        commit_event(region, event, check)
        return latest, stored

    def _decided_again(
        self, ids: Sequence[RecordId]
    ) -> tuple[dict[bytes, _Decided], Mapping[UUID, list[Replica]]]:
        with self.region.catalog.begin() as connection:
            decided, skipped = self._decide(connection, ids)
            stored = self._replicas(connection, decided)
        self.skipped += skipped
        return decided, stored

    def _replicas(
        self, connection: Connection, decided: Mapping[bytes, _Decided]
    ) -> Mapping[UUID, list[Replica]]:
        needed = {one.permitted.row.object_id for one in decided.values()}
        return objects.replicas_of(connection, needed, [ReplicaState.STORED])

    def _decide(
        self, connection: Connection, ids: Sequence[RecordId]
    ) -> tuple[dict[bytes, _Decided], Counter[str]]:
        """Return which of the records may be handed out now, and why the others may not."""
        reading, tenant = self.reading, self.reading.tenant
        read = self.region.clock.now()  # first: what is read is not older
        terms = tenants.find(connection, tenant)
        if terms is None:
            raise UnknownTenant(reasons=("unknown_tenant",))
        found = records.find_all(connection, [(tenant, i) for i in ids])
        subjects = {x.row.subject for x in found.values() if x.row.subject is not None}
        ground = Ground(
            reading.run,
            consents.said(connection, tenant, subjects),
            read,
            terms.objections,
            per_subject=Trait.CONSENT_PER_SUBJECT in terms.spec.traits,
        )
        held = training.held_among(connection, [x.row for x in found.values()])
        known = authority(self.region, connection, reading.actor, terms)
        of_person = self.region.session.of_person(connection)
        now = self.region.clock.now()  # one moment for all: later ones are decided again
        decided, skipped = dict[bytes, _Decided](), Counter[str]()
        for record_id in ids:
            one = found.get((tenant, record_id.unique))
            if one is None:
                skipped[AccessReason.ERASED.value] += 1
                continue
            access = self._access(
                one,
                terms,
                ground,
                known,
                now,
                held=record_id.unique in held,
                of_person=of_person,
            )
            if access.reason in OF_ONE_RECORD:
                skipped[access.reason.value] += 1
                continue
            permit = access.demand()
            statement = self._statement(one.row, ground)
            decided[record_id.unique] = _Decided(
                Permitted(one.row, permit, term_of_found(self.region, one)), statement
            )
        return decided, skipped

    def _access(
        self,
        found: Found,
        terms: TenantTerms,
        ground: Ground,
        known: Authority | None,
        now: datetime,
        *,
        held: bool,
        of_person: bool,
    ) -> Access:
        term = term_of_found(self.region, found)
        record = openable(self.region, found.row, term, fenced=found.fenced, terms=terms)
        return may_open(
            self.region.topology,
            replace(record, held=held),
            self.reading.actor,
            Purpose.TRAIN,
            now=now,
            login_of_person=of_person,
            authority=known,
            ground=ground,
        )

    def _statement(self, row: Row, ground: Ground) -> Statement | None:
        """Return the consent that the record is handed out under. None: its epoch asks for none."""
        now = self.region.clock.now()
        consent = ground.consent(row.id.data_class, row.came_in, row.subject, now)
        return consent.statement if consent.opted_in else None

    def _hand_out_if_left(
        self, one: _Decided, stored: Mapping[UUID, list[Replica]], sealed: bytes | None
    ) -> TrainingRecord | None:
        """Return a record. None, and counted: no backend has it, or its key, as it was written.

        So it stays until a person restores an object, and the others need not wait for that. What
        may be back in a moment (a backend, the key service, the catalog) is raised: if that were
        skipped, a run would lack a good part of its records, and be said to be complete.
        """
        try:
            if one.permitted.row.size > self.region.limits.body:
                return self._large(one)
            return self._small(one, stored, sealed)
        except Corrupt:
            self.skipped[UNREADABLE] += 1
        except KeyUnavailable as error:
            if not error.lost:
                raise
            self.skipped[UNREADABLE] += 1
        except PurposeRefused as error:  # it may not be trained on any more, by now
            if not OF_ONE_RECORD.issuperset(error.reasons):
                raise
            self.skipped.update(error.reasons)
        return None

    def _large(self, one: _Decided) -> TrainingRecord | None:
        """Return a file that is read in parts: once for its digest, then by who asks for them."""
        row = one.permitted.row
        reader, digest = Reader(self.region, self.keys, self._find), hashlib.sha256()
        for start in range(0, row.size, TRAINING_CHUNK):
            digest.update(reader.read_range(row.tenant, row.id, start, start + TRAINING_CHUNK))
        alone = self._opened_alone(row.id)  # that took its time
        if alone is None:
            return None
        latest, opened = alone
        record = Record(info(row, opened.term), b"", metadata_of(opened))
        read = partial(reader.read_range, row.tenant, row.id)
        return self._handed_out(record, latest, digest.hexdigest(), read)

    def _small(
        self, one: _Decided, stored: Mapping[UUID, list[Replica]], sealed: bytes | None
    ) -> TrainingRecord | None:
        row = one.permitted.row
        opened = open_with(self.keys, one.permitted, stored.get(row.object_id, ()))
        if opened is None:  # its key came late, or deciding the whole page did
            alone = self._opened_alone(row.id)
            if alone is None:
                return None
            one, opened = alone
        record, latest = self._record(one, opened, sealed)
        return self._handed_out(record, latest, hashlib.sha256(record.body).hexdigest())

    def _opened_alone(self, record_id: RecordId) -> tuple[_Decided, Opened] | None:
        """Decide a record again, and open it. None: it may not be trained on any more, by now."""
        decided, _ = self._decided_again([record_id])
        one = decided.get(record_id.unique)
        if one is None:
            return None
        opened = open_with(self.keys, one.permitted, ())
        if opened is None:
            raise too_long()
        return one, opened

    def _record(
        self, one: _Decided, opened: Opened, sealed: bytes | None
    ) -> tuple[Record, _Decided]:
        """Return a record, and what permits it by now.

        What was not gathered, or is corrupt, is read alone, and decided again.
        """
        row = opened.row
        if sealed is not None:
            try:
                body = decrypt(opened, sealed, 0, row.size)
                return Record(info(row, opened.term), body, metadata_of(opened)), one
            except Corrupt:
                pass  # the reader has the replica replaced, and takes another one
        latest = one

        def find(connection: Connection, _: str, record_id: RecordId) -> Permitted:
            nonlocal latest
            latest = self._decide_one(connection, record_id)
            return latest.permitted

        return Reader(self.region, self.keys, find).get(row.tenant, row.id), latest

    def _find(self, connection: Connection, _: str, record_id: RecordId) -> Permitted:
        return self._decide_one(connection, record_id).permitted

    def _decide_one(self, connection: Connection, record_id: RecordId) -> _Decided:
        decided, skipped = self._decide(connection, [record_id])
        if record_id.unique not in decided:
            raise PurposeRefused(reasons=tuple(skipped), advice="It may not be trained on now.")
        return decided[record_id.unique]

    def _handed_out(
        self,
        record: Record,
        one: _Decided,
        sha256: str,
        read: Callable[[int, int], bytes] | None = None,
    ) -> TrainingRecord:
        """Return what is handed out, and add its line. ``read``: if it is read in parts."""
        statement = one.statement
        entry = entry_of(
            record.id,
            sha256,
            at=self.region.clock.now(),
            statement=None if statement is None else statement.id,
            wording=None if statement is None else statement.wording,
        )
        self._count_last()
        self._last = entry
        body = record.body if read is None else None
        return TrainingRecord(
            record.info, record.metadata, entry, body, read or partial(_part, record.body)
        )


def _part(body: bytes, start: int, stop: int) -> bytes:
    return body[start:stop]


class _Changed(PurposeRefused):
    """What a page rests on changed between the decision and its commit."""


def use_of(row: Row, statement: UUID | None) -> NewUse:
    """Return what is noted of a record that is about to be handed out."""
    return NewUse(
        record=str(row.id),
        origin=row.origin,
        subject=row.subject,
        group=row.group,
        ancestors=row.ancestors,
        consent=statement,
    )
