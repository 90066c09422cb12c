"""Fills a catalog with rows, by its own functions, where their bytes do not matter.

What is filled is never opened. What is measured beside it is written and read as usual.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import cycle, islice
from uuid import UUID

from sqlalchemy import Connection, text

from benchmarks.setting import HOME, TENANT, Bench, spec_of
from storage.catalog import days, erasures, finishing, objects, records, tenants
from storage.catalog.finishing import Finished
from storage.catalog.kinds import ObjectKind
from storage.catalog.objects import NewObject
from storage.catalog.records import Row
from storage.events import NewErasure
from storage.model import DataClass, Reason, RecordId, ScopeKind
from storage.region import OpenRegion
from storage.transparency.sequencer import Sequencer

_PACK, _TENANTS, _ERASURES = 4096, 20, 500  # of each in a transaction
_SUBJECTS = 1000
_NAME, _DIGEST = 32, 32  # bytes
_DAYS, _ANALYZE = text("SELECT count(*) FROM day"), text("ANALYZE")


def blocks(count: int, most: int) -> Iterator[int]:
    """Yield sizes that are ``count`` together, and ``most`` each at most."""
    for start in range(0, count, most):
        yield min(most, count - start)


def add_records(
    bench: Bench, model: RecordId, count: int, *, tenants: Sequence[str] = (TENANT,)
) -> None:
    """Add rows like that of a record, of other subjects, in turns of tenants."""
    region = bench.homes.served(HOME).region
    with region.catalog.begin() as connection:
        found = records.find(connection, TENANT, model)
    assert found is not None
    names = _names(tenants)
    for size in blocks(count, _PACK):
        _add_pack(region, found.row, names, size)


def _names(tenants: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield tenants, each with the pseudonym of a subject."""
    subjects = [os.urandom(_NAME) for _ in range(_SUBJECTS)]
    return zip(cycle(tenants), cycle(subjects), strict=False)


def _add_pack(region: OpenRegion, row: Row, names: Iterator[tuple[str, bytes]], size: int) -> None:
    """Add a pack and its rows in a transaction."""
    day = row.id.day

    def work(connection: Connection) -> None:
        pack = _announced(region, connection, day)
        rows = [
            replace(
                row,
                id=_minted(region, tenant, day),
                tenant=tenant,
                subject=subject,
                object_id=pack,
                start=n * row.length,
            )
            for n, (tenant, subject) in enumerate(islice(names, size))
        ]
        assert len(records.add(connection, day, rows)) == size

    region.catalog.run(work)


def _announced(region: OpenRegion, connection: Connection, day: date | None) -> UUID:
    """Insert a pack that its backends seem to have. Return its id."""
    now, backends = region.clock.now(), region.lawful()
    new = NewObject(region.new_uuid(now), ObjectKind.PACK, day, None, backends, now, now)
    targets = {name: (region.new_uuid(now), now) for name in backends}
    (made,) = objects.announce(connection, [(new, targets)])
    finishing.finish_all(connection, [Finished(new.id, _PACK, os.urandom(_DIGEST), None, None)])
    objects.record_results(connection, [one.id for one in made], {}, now)
    return new.id


def _minted(region: OpenRegion, tenant: str, day: date | None) -> RecordId:
    return RecordId.mint(
        DataClass.PROMPT,
        region.name,
        region.clock.now(),
        day,
        tenant=tenant,
        entropy=os.urandom,
    )


def add_days(bench: Bench, model: RecordId, count: int, each: int) -> None:
    """Add the partitions of the next days, with rows in each that a page of a list passes over."""
    region = bench.homes.served(HOME).region
    with region.catalog.begin() as connection:
        last = days.horizon(connection)
        assert last is not None
        days.make(connection, (last + timedelta(days=n) for n in range(1, count + 1)))
        found = records.find(connection, TENANT, model)
    assert found is not None
    names = _names([TENANT])
    for n in range(1, count + 1):
        day = last + timedelta(days=n)
        row = replace(found.row, id=replace(found.row.id, day=day))
        _add_pack(region, row, names, each)


def count_days(bench: Bench) -> int:
    """Return how many partitions there are."""
    with bench.homes.served(HOME).region.catalog.begin() as connection:
        return connection.scalar(_DAYS) or 0


def add_tenants(bench: Bench, names: Iterable[str]) -> None:
    """Add tenants, some in a transaction. Their lines are put into the log, as a worker would."""
    region, left = bench.homes.served(HOME).region, iter(names)
    sequencer = Sequencer(region)
    while some := list(islice(left, _TENANTS)):

        def work(connection: Connection, some: Sequence[str] = some) -> None:
            now = region.clock.now()
            for name in some:
                spec = spec_of(name)
                tenants.ensure(connection, spec, now, os.urandom, topology=region.topology)

        region.catalog.run(work)
        while sequencer.seal() is not None:
            pass


def add_fences(bench: Bench, count: int) -> None:
    """Add erasures of subjects without records. No worker has looked at them yet."""
    region = bench.homes.served(HOME).region
    for size in blocks(count, _ERASURES):

        def work(connection: Connection, size: int = size) -> None:
            now = region.clock.now()
            for _ in range(size):
                new = NewErasure(
                    id=region.new_uuid(now),
                    tenant=TENANT,
                    scope=ScopeKind.SUBJECT,
                    match_values=(os.urandom(_NAME),),
                    reason=Reason.SUBJECT_REQUEST,
                    ticket=None,
                    requested=now,
                    cutoff=now,
                    until=now + timedelta(days=1),
                )
                assert erasures.add(connection, new, now, (0, None))

        region.catalog.run(work)


def settle(bench: Bench) -> None:
    """Do at once what autovacuum does within minutes: count rows for the planner."""
    with bench.homes.served(HOME).region.catalog.begin() as connection:
        connection.execute(_ANALYZE)
