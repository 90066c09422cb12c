"""How much the catalog reads to find what a hold on everything keeps of a day."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, text

from storage.catalog import days, hold_predicate, holds
from storage.catalog import tables as t
from storage.events import NewHold
from storage.model import ScopeKind
from storage.testing import Domicile
from tests.support.catalogs.plans import records_read
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

NOON, DAY = datetime(2026, 3, 1, 12, tzinfo=UTC), date(2026, 3, 30)
PACKS, RECORDS = 4, 500
FILL = """
INSERT INTO record (expiry_day, tenant, uid, data_class, born, minted, origin, written, object_id,
  start, length, size, streamed, incomplete, key_id, wrapped_key, fingerprint)
SELECT :day, 't' || n % 7, int8send(n), 'prompt', 'eu', :noon, :noon, :noon, :pack, n, 1, 1, false,
  false, :pack, '', '' FROM generate_series(CAST(:first AS bigint),
  CAST(:last AS bigint)) AS n
"""


def fill(connection: Connection) -> None:
    """Insert packs with many records each, and a hold on the region."""
    for number in range(PACKS):
        pack = UUID(int=number + 1)
        times = {"announced": NOON, "deadline": NOON}
        own = {"id": pack, "kind": "pack", "state": "stored", "day": DAY, "backends": []}
        connection.execute(insert(t.object_).values(**own, **times, family=pack))
        first = number * RECORDS
        given = {"day": DAY, "noon": NOON, "pack": pack, "first": first}
        connection.execute(text(FILL), given | {"last": first + RECORDS - 1})
    hold = NewHold(
        id=UUID(int=1),
        tenant=None,
        scope=ScopeKind.REGION,
        match_values=(),
        sealed_name=None,
        classes=(),
        minted_from=None,
        minted_to=None,
        cutoff=None,
        matter="m",
        authority="a",
        issuer="i",
        placed=NOON,
        review=DAY,
    )
    holds.add(connection, hold, replayed=True)
    connection.execute(text("ANALYZE record; ANALYZE object; ANALYZE hold"))


def test_one_record_of_each_pack_is_read(domicile: Domicile) -> None:
    """For packs that are held and for those that may go, however many records they contain."""
    with home(domicile).catalog.begin() as connection:
        fill(connection)
        found = hold_predicate.held_packs(connection, DAY, 10)
        held = records_read(connection, hold_predicate._packs(), day=DAY, limit=10)
        may_go = records_read(connection, days._purgeable(), day=DAY, kinds=["pack"], limit=10)
        connection.rollback()

    assert len(found) == PACKS
    assert held <= 2 * PACKS
    assert may_go <= 2 * PACKS
