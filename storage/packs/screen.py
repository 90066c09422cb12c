"""Screening: a classifier sees records one by one, and what it says of them is kept.

Content goes to the classifier alone; the caller gets flags. A batch is looked up and permitted in
one transaction, read with few requests, and classified for some seconds at most. Its flags are
written in another transaction, which looks again whether the records may be read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import flags as stored_flags
from storage.catalog import objects, records, tenants
from storage.catalog.engine import share_tenants
from storage.catalog.objects import Replica
from storage.catalog.records import Narrow, Row, Span
from storage.crypto.record import seal_flags
from storage.errors import BodyTooLarge, Corrupt, DomicileError, Erased, Expired, InvalidRequest
from storage.model import (
    Actor,
    Classifier,
    DataClass,
    Flag,
    NewFlag,
    Purpose,
    RecordId,
    ReplicaState,
    Screened,
    ScreenFailure,
)
from storage.objects.keyring import KeyRing
from storage.packs.gather import gather
from storage.packs.openings import decider, for_flags
from storage.packs.reader import (
    Opened,
    Permitted,
    Reader,
    decrypt,
    flags_of,
    metadata_of,
    open_with,
)
from storage.policy import ended_before
from storage.region import OpenRegion

MOST_FLAGS: Final = 16  # of one record from one call of a classifier
_FIRST, _MOST = 32, 512  # records of a batch
_FRESH = timedelta(seconds=2)
"""How long after a batch was permitted the classifier gets another record of it."""

_PURPOSE = Purpose.ABUSE_SCREENING


@dataclass(frozen=True, slots=True)
class Screening:
    """Which records of a tenant a classifier sees, for whom.

    ``minted``: those from a time on, until another one.
    """

    actor: Actor
    tenant: str
    classifier: Classifier
    data_class: DataClass
    minted: Span = (None, None)


@dataclass(frozen=True, slots=True)
class _Batch:
    permitted: Sequence[Permitted]
    stored: Mapping[UUID, list[Replica]]
    permitted_at: datetime


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the classifier found in a record. ``known``: what the same version found before."""

    row: Row
    opened: Opened
    found: tuple[Flag, ...]
    known: tuple[Flag, ...]


class Screener:
    """Runs one screening."""

    def __init__(self, region: OpenRegion, keys: KeyRing, screening: Screening) -> None:
        """Share the keys with the region's writer."""
        self._region = region
        self._keys = keys
        self._screening = screening
        self._reader = Reader(region, keys, for_flags(region, screening.actor, _PURPOSE))

    def batches(
        self, after: RecordId | None, limit: int | None
    ) -> Iterator[Sequence[Screened | ScreenFailure]]:
        """Yield the results of some records at a time, in order of minting, after one of them.

        ``limit``: at most so many records. If the classifier raises, the records before are done
        first. Raises PurposeRefused, UnknownClass or Unavailable.
        """
        size, left = _FIRST, limit
        while left is None or left > 0:
            batch = self._look(after, size if left is None else min(size, left))
            if not batch.permitted:
                return
            seen, error = self._classify(batch)
            if seen:
                yield self._region.catalog.run(partial(self._keep, seen))
                after, last = _id(seen[-1]), len(seen)
                size = min(_MOST, 2 * last)
                left = None if left is None else left - last
            if error is not None:
                raise error

    def _look(self, after: RecordId | None, limit: int) -> _Batch:
        """Find the next records, and permit to open them."""
        region, wanted = self._region, self._screening
        now = region.clock.now()
        with region.catalog.begin() as connection:
            own = tenants.retention_of(connection, wanted.tenant)
            ended = ended_before(region.topology, own, now)
            narrow = Narrow(wanted.data_class, minted=wanted.minted, ended=ended)
            rows = records.page(
                connection, wanted.tenant, narrow, after=after, now=now, limit=limit
            )
            sizes = accumulate(row.length for row in rows)
            fit = sum(size <= region.limits.pack for size in sizes)
            rows = rows[: max(1, fit)]
            decide = decider(
                region, connection, wanted.tenant, wanted.actor, _PURPOSE, now=now, flags=True
            )
            permitted = [decide(row, own) for row in rows]
            stored = objects.replicas_of(
                connection, {row.object_id for row in rows}, [ReplicaState.STORED]
            )
        return _Batch(permitted, stored, now)

    def _classify(self, batch: _Batch) -> tuple[list[_Seen | ScreenFailure], Exception | None]:
        """Show records to the classifier while the permits are fresh: one at least.

        Returns what it raised, too.
        """
        rows = [one.row for one in batch.permitted if self._fits(one.row)]
        sealed = gather(self._region, rows, batch.stored)
        seen: list[_Seen | ScreenFailure] = []
        for one in batch.permitted:
            if seen and self._region.clock.now() >= batch.permitted_at + _FRESH:
                break
            try:
                seen.append(self._show(one, batch.stored, sealed.pop(one.row.id.unique, None)))
            except Exception as error:  # noqa: BLE001 - the classifier's own
                return seen, error
        return seen, None

    def _fits(self, row: Row) -> bool:
        return row.size <= self._region.limits.body

    def _show(
        self, one: Permitted, stored: Mapping[UUID, list[Replica]], sealed: bytes | None
    ) -> _Seen | ScreenFailure:
        row, classifier = one.row, self._screening.classifier
        try:
            if not self._fits(row):
                raise BodyTooLarge("A classifier gets bodies of 16 MiB: this record is larger.")
            opened = open_with(self._keys, one, stored.get(row.object_id, ()))
            opened = opened or self._reader.opened(row.tenant, row.id)
            known = self._own(flags_of(opened, row.sealed_flags))
            body, metadata = self._content(opened, sealed)
        except DomicileError as error:
            return ScreenFailure(row.id, error)
        return _Seen(row, opened, self._flags(row.id, classifier.classify(body, metadata)), known)

    def _content(self, opened: Opened, sealed: bytes | None) -> tuple[bytes, Mapping[str, object]]:
        """Return body and metadata. What was not gathered, or is corrupt, is read alone."""
        row = opened.row
        if sealed is not None:
            try:
                return decrypt(opened, sealed, 0, row.size), metadata_of(opened)
            except Corrupt:
                pass  # the reader has the replica replaced, and takes another one
        record = self._reader.get(row.tenant, row.id)
        return record.body, record.metadata

    def _flags(self, about: RecordId, given: object) -> tuple[Flag, ...]:
        classifier, now = self._screening.classifier, self._region.clock.now()
        if not isinstance(given, Sequence) or len(given) > MOST_FLAGS:
            raise InvalidRequest(f"A classifier must return a list of {MOST_FLAGS} flags at most.")
        if not all(isinstance(flag, NewFlag) for flag in given):
            raise InvalidRequest("A classifier must return NewFlags.", advice="[] finds nothing.")
        return tuple(
            Flag(about, one.label, one.score, classifier.name, classifier.version, now)
            for one in given
        )

    def _own(self, flags: Sequence[Flag]) -> tuple[Flag, ...]:
        """Return those that this version of the classifier made."""
        own = self._screening.classifier.name, self._screening.classifier.version
        return tuple(flag for flag in flags if (flag.classifier, flag.version) == own)

    def _keep(
        self, seen: Sequence[_Seen | ScreenFailure], connection: Connection
    ) -> list[Screened | ScreenFailure]:
        """Write the flags of records that may still be read. What a version said first, stands."""
        tenant, now = self._screening.tenant, self._region.clock.now()
        share_tenants(connection, [tenant])
        own = tenants.retention_of(connection, tenant)
        ended = ended_before(self._region.topology, own, now)
        flagged = {one.row.id: one for one in seen if isinstance(one, _Seen) and one.found}
        kept, new = dict[RecordId, tuple[Flag, ...]](), dict[RecordId, bytes]()
        if flagged:
            there = stored_flags.lock(connection, tenant, flagged, now, ended)
            for record_id in (i for i in flagged if i.unique in there):
                one = flagged[record_id]
                before = flags_of(one.opened, there[record_id.unique])
                kept[record_id] = self._own(before) or one.found
                if kept[record_id] is one.found:
                    new[record_id] = self._sealed(one.opened, (*before, *one.found))
            stored_flags.write(connection, tenant, new)
        return [_result(one, kept, now, ended) for one in seen]

    def _sealed(self, opened: Opened, flags: Sequence[Flag]) -> bytes:
        given = [
            {
                "label": flag.label,
                "score": flag.score,
                "classifier": flag.classifier,
                "version": flag.version,
                "at": flag.at.isoformat(),
            }
            for flag in flags
        ]
        return seal_flags(opened.key, given, opened.aad, self._region.entropy)


def _id(one: _Seen | ScreenFailure) -> RecordId:
    return one.id if isinstance(one, ScreenFailure) else one.row.id


def _result(
    one: _Seen | ScreenFailure,
    kept: Mapping[RecordId, tuple[Flag, ...]],
    now: datetime,
    ended: Mapping[DataClass, datetime],
) -> Screened | ScreenFailure:
    if isinstance(one, ScreenFailure):
        return one
    if not one.found:
        return Screened(one.row.id, one.known)
    if one.row.id in kept:
        return Screened(one.row.id, kept[one.row.id])
    about = one.row.id
    over = about.day is not None and now.date() >= about.day
    over = over or (about.data_class in ended and about.minted < ended[about.data_class])
    over = over or (one.row.readable_until is not None and now >= one.row.readable_until)
    return ScreenFailure(one.row.id, Expired() if over else Erased())
