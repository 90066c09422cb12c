"""What a read asks the catalog for: the same as other statements find, of one moment, quickly."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest
from sqlalchemy import Connection, func, insert, select, text, update

from storage.catalog import objects, readable, records
from storage.catalog import tables as t
from storage.catalog.records import Row
from storage.model import DataClass, RecordId, ReplicaState, ScopeKind
from storage.testing import Domicile
from tests.support.actions import get
from tests.support.catalogs.databases import HOME, as_role, opened
from tests.support.faults.transactions import watching
from tests.support.inspect.stored import home, wait_until

pytestmark = pytest.mark.one_region

TENANT = "acme-eu"
OTHER = b"\7" * 32
STEP = timedelta(seconds=1)
SCANS = text(
    "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_xact_user_tables "
    "WHERE relname IN ('fence', 'replica', 'tenant', 'record', 'file')"
)

LOCKED = text(
    "SELECT count(DISTINCT inhrelid) FROM pg_locks JOIN pg_inherits ON inhrelid = relation "
    "WHERE pid = pg_backend_pid() AND inhparent = 'record'::regclass"
)


@pytest.fixture
def ids(domicile: Domicile) -> list[RecordId]:
    """Records of every kind: with and without names and parents, of both tables."""
    own = domicile.tenant()
    named = own.put(DataClass.PROMPT, b"named", subject="u", group="g", metadata={"a": 1}).id
    return [
        named,
        own.put(DataClass.PROMPT, b"nameless").id,
        own.put(DataClass.COMPLETION, b"derived", derived_from=[named]).id,
        own.put(DataClass.EVENT, b"", subject="u").id,
        own.put_file([b"a file"]).id,
    ]


def values_of(row: Row) -> dict[ScopeKind, list[bytes]]:
    """Return what the fences of each scope name that cover a record."""
    return {
        ScopeKind.TENANT: [b""],
        ScopeKind.SUBJECT: [row.subject] if row.subject else [],
        ScopeKind.GROUP: [row.group] if row.group else [],
        ScopeKind.RECORD: [row.id.unique, *row.ancestors],
        ScopeKind.CLASS: [row.id.data_class.value.encode()],
    }


def add_fence(
    connection: Connection,
    tenant: str,
    named: tuple[ScopeKind, bytes],
    cutoff: datetime,
    spared: datetime | None,
) -> None:
    """Add a fence, and the erasure that it belongs to."""
    number, (scope, value) = uuid4(), named
    about = {"tenant": tenant, "scope": scope.value, "cutoff": cutoff, "spared_from": spared}
    erasure = {"id": number, "reason": "user_request", "state": "fenced", "requested": cutoff}
    connection.execute(insert(t.erasure), {**about, **erasure})
    fence = {"value": value, "erasure_id": number, "until": cutoff + timedelta(days=30)}
    connection.execute(insert(t.fence), {**about, **fence})


def test_it_is_what_other_statements_find(domicile: Domicile, ids: list[RecordId]) -> None:
    """Each column, and the replicas. Nothing is found by another class, tenant, day or id."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(
            update(t.tenant).where(t.tenant.c.id == TENANT).values(retention={"prompt": 3})
        )
        connection.execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
        for one in ids:
            found = readable.find(connection, TENANT, one)
            assert found is not None
            same = records.find(connection, TENANT, one)
            assert (found[0], repr(found[0])) == (same, repr(same))  # in UTC, which == ignores
            pack = found[0].row.object_id
            stored = objects.replicas_of(connection, [pack], [ReplicaState.STORED])[pack]
            assert sorted(found[1], key=repr) == sorted(stored, key=repr)
            assert len(stored) > 1

            of_class = next(x for x in DataClass if x is not one.data_class)
            wrong = [
                ("acme-us", one),
                (TENANT, replace(one, data_class=of_class)),
                (TENANT, replace(one, unique=OTHER[:16])),
            ]
            if one.day is not None:
                wrong.append((TENANT, replace(one, day=one.day + timedelta(days=1))))
            assert [readable.find(connection, *name) for name in wrong] == [None] * len(wrong)
        connection.rollback()


def test_what_cannot_be_read_is_not_absent(domicile: Domicile, ids: list[RecordId]) -> None:
    """With this setting of a login, text comes as bytes, which no class equals."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(text("SET LOCAL client_encoding = 'SQL_ASCII'"))
        for one in ids:
            with pytest.raises(ValueError, match="not a valid DataClass"):
                readable.find(connection, TENANT, one)
        connection.rollback()


def test_replicas_that_are_not_stored_are_not_read(domicile: Domicile, ids: list[RecordId]) -> None:
    """A record is found even if it has none."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(update(t.replica).values(state="purging"))
        found = readable.find(connection, TENANT, ids[0])
        assert found is not None
        assert found[1] == []
        connection.rollback()


def test_every_fence_covers_what_it_covers_elsewhere(
    domicile: Domicile, ids: list[RecordId]
) -> None:
    """By scope, value, tenant, cutoff, and from when events are spared."""
    covered = 0
    with home(domicile).catalog.begin() as connection:
        for one, scope in product(ids, ScopeKind):
            known = records.find(connection, TENANT, one)
            assert known is not None
            row = known.row
            moments = {x + n * STEP for x in (row.origin, row.id.minted) for n in (-1, 0, 1)}
            values = [*values_of(row).get(scope, ()), OTHER]
            spared = [None, *(row.id.minted + n * STEP for n in (-1, 0, 1))]
            fences = product((TENANT, "acme-us"), values, sorted(moments), spared)
            for tenant, value, cutoff, since in fences:
                savepoint = connection.begin_nested()
                add_fence(connection, tenant, (scope, value), cutoff, since)
                found = readable.find(connection, TENANT, one)
                same = records.find(connection, TENANT, one)
                assert found is not None
                assert same is not None
                assert found[0].fenced is same.fenced, (one, scope, tenant, value, cutoff, since)
                covered += same.fenced
                savepoint.rollback()
        connection.rollback()
    assert covered > 100


def test_the_row_and_its_replicas_are_of_one_moment(
    domicile: Domicile, ids: list[RecordId]
) -> None:
    """Else a pack that is compacted meanwhile would have no replicas, or those of no row."""
    catalog = home(domicile).catalog
    with watching(catalog) as faults, ThreadPoolExecutor(1) as threads:
        with faults.other.connect() as other:
            other.execute(text("BEGIN"))
            other.execute(text("LOCK TABLE replica IN ACCESS EXCLUSIVE MODE"))
            look = lambda connection: readable.find(connection, TENANT, ids[0])  # noqa: E731
            reading = threads.submit(catalog.look, look)
            wait_until(lambda: faults.lock_waiters() == 1)
            other.execute(text("UPDATE replica SET state = 'purging'"))
            other.execute(text("COMMIT"))
        found = reading.result()
    assert found is not None
    assert len(found[1]) > 1


def test_a_plan_that_was_made_for_small_tables_uses_an_index(
    domicile: Domicile, ids: list[RecordId]
) -> None:
    """A session keeps it for as long as it lives, while the tables grow."""
    with home(domicile).catalog.begin() as connection:
        add_fence(connection, TENANT, (ScopeKind.SUBJECT, OTHER), ids[0].minted, None)
        connection.execute(text("ANALYZE fence, replica, tenant, file"))
        before = connection.scalar(SCANS)
        for one in ids * 10:
            readable.find(connection, TENANT, one)
        assert connection.scalar(SCANS) == before
        connection.rollback()


def test_it_locks_one_day(domicile: Domicile, ids: list[RecordId]) -> None:
    """Else it would wait for every day that is dropped, and each of those for it."""
    with home(domicile).catalog.begin() as connection:
        for _ in range(20):
            readable.find(connection, TENANT, ids[0])
        assert connection.scalar(LOCKED) == 1


@pytest.mark.parametrize("role", ["service", "worker", "admin"])
def test_who_may_read_rows_may_ask(domicile: Domicile, ids: list[RecordId], role: str) -> None:
    """It runs with the rights of whoever calls it."""
    url = domicile.settings.regions[HOME].catalog_url.get_secret_value()
    with opened(HOME, as_role(url, f"domicile_{role}")) as connection:
        assert readable.find(connection, TENANT, ids[0]) is not None


def test_calls_one_after_the_other_use_one_connection(
    domicile: Domicile, ids: list[RecordId]
) -> None:
    """Its server process has what it needs at hand, unlike one that waited longest."""
    engine = home(domicile).catalog.engine
    some = [engine.connect() for _ in range(3)]
    for connection in some:
        connection.close()

    used = set()
    for _ in range(3):
        get(domicile.tenant(), ids[0])
        with engine.connect() as connection:
            used.add(connection.scalar(select(func.pg_backend_pid())))
    assert len(used) == 1
