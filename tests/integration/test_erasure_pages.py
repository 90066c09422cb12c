"""Planning an erasure asks about some rows at a time, however many a hold keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, Table, event, func, insert, select, text

from regions.model import DataClass
from storage.catalog import days, deferrals, deletions, holds
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.events import NewHold
from storage.model import ScopeKind
from storage.testing import Domicile
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK, HOLD, SPARSE, IDLE = (UUID(int=n) for n in (1, 2, 3, 4))
ROWS = 3_500
FILL = """
INSERT INTO {table} ({day} tenant, uid, data_class, born, minted, origin, written, subject, grp,
  object_id, start, length, size, streamed, incomplete, key_id, wrapped_key, fingerprint)
SELECT {days} 'acme', int8send(n), CASE WHEN n % 100 = 7 THEN 'completion' ELSE 'prompt' END, 'eu',
  :noon, :noon, :noon, CASE WHEN n % 5 = 0 THEN '\\x00'::bytea ELSE '\\x01' END, '\\x02', :pack, n,
  1, 1, false, false, :pack, int8send(n), '' FROM generate_series(CAST(:first AS bigint),
  CAST(:last AS bigint)) AS n
"""
SCOPES = {ScopeKind.TENANT: (), ScopeKind.GROUP: (b"\x02",)}
TABLES = (t.record, t.file, t.held)


def hold(number: UUID, scope: ScopeKind, values: tuple[bytes, ...], *classes: DataClass) -> NewHold:
    """Return a hold on the tenant."""
    return NewHold(
        id=number,
        tenant="acme",
        scope=scope,
        match_values=values,
        sealed_name=None,
        classes=classes,
        minted_from=None,
        minted_to=None,
        cutoff=None,
        matter="m",
        authority="a",
        issuer="i",
        placed=NOON,
        review=NOON.date(),
    )


def fill(connection: Connection, table: Table) -> None:
    """Insert rows of which a fifth is not held, spread over two expiry days."""
    times = {"announced": NOON, "deadline": NOON}
    own = {"id": PACK, "kind": "pack", "state": "stored", "day": date(2026, 3, 30), "backends": []}
    connection.execute(insert(t.object_).values(**own, **times, family=PACK))
    dated = table is not t.file
    day, given = ("expiry_day,", "DATE '2026-03-30' + CAST(n % 2 AS int),") if dated else ("", "")
    fields = {"noon": NOON, "pack": PACK, "first": 1, "last": ROWS}
    connection.execute(text(FILL.format(table=table.name, day=day, days=given)), fields)
    for each in (
        hold(HOLD, ScopeKind.SUBJECT, (b"\x01",)),
        hold(SPARSE, ScopeKind.TENANT, (), DataClass.COMPLETION),
        hold(IDLE, ScopeKind.SUBJECT, (b"\x09",)),
    ):
        holds.add(connection, each, replayed=True)


@contextmanager
def watched(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Collect how many rows each fetch and each statement returned or changed."""
    sizes, fetch = list[int](), psycopg.ServerCursor.fetchmany

    def fetchmany(cursor: psycopg.ServerCursor[object], size: int = 0) -> list[object]:
        rows = fetch(cursor, size)
        sizes.append(len(rows))
        return rows

    def note(_connection: object, cursor: object, *_more: object) -> None:
        if isinstance(cursor, psycopg.Cursor) and cursor.rowcount > 0:
            sizes.append(cursor.rowcount)

    monkeypatch.setattr(psycopg.ServerCursor, "fetchmany", fetchmany)
    event.listen(connection.engine, "after_cursor_execute", note)
    yield sizes
    event.remove(connection.engine, "after_cursor_execute", note)
    monkeypatch.undo()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("scope", SCOPES)
def test_what_a_hold_keeps_is_asked_about_in_pages(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, table: Table, scope: ScopeKind
) -> None:
    """No statement returns more rows than a page. All that is not held goes, and nothing else."""
    erasure = OpenErasure(
        UUID(int=9), "acme", scope, SCOPES[scope], NOON, awaited=True, spared_from=None
    )
    with home(domicile).catalog.begin() as connection:
        if table is t.record:
            days.make(connection, [date(2026, 3, 30), date(2026, 3, 31)])
        fill(connection, table)
        gone = list[tuple[UUID, UUID]]()
        with watched(connection, monkeypatch) as sizes:
            while some := deletions.delete_scope(connection, table, erasure, now=NOON, limit=300):
                assert len(some) <= 300
                gone += some
            kept = deferrals.count_held(connection, erasure)
        left = connection.execute(
            select(table.c.subject, table.c.data_class, func.count())
            .where(table.c.tenant == "acme")
            .group_by(table.c.subject, table.c.data_class)
        ).all()
        connection.rollback()

    free = sum(n % 5 == 0 and n % 100 != 7 for n in range(1, ROWS + 1))
    assert len(gone) == free
    assert {(bytes(x[0]), x[1]): x[2] for x in left} == {
        (b"\x01", "prompt"): sum(n % 5 != 0 and n % 100 != 7 for n in range(1, ROWS + 1)),
        (b"\x01", "completion"): ROWS // 100,
    }
    assert kept == {HOLD: ROWS - ROWS // 5, SPARSE: ROWS // 100}
    assert max(sizes) <= deletions.PAGE
    assert sum(size == deletions.PAGE for size in sizes) >= 4
