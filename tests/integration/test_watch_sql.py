"""The statement of the metrics agrees with what is there, and stops counting."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from storage.catalog import tables as t
from storage.catalog import watch
from storage.catalog.watch import Watched
from storage.model import DataClass, GrantSpec, NewRecord, Purpose, Scope
from storage.testing import INVESTIGATOR, Domicile
from storage.testing.connections import watching as catalog_faults
from tests.support.actions import erase, put_prompt, work
from tests.support.holds import place_hold
from tests.support.inspect.stored import HOME, home
from tests.support.watching import watching

pytestmark = pytest.mark.one_region


def looked(domicile: Domicile) -> Watched:
    """Ask once, now."""
    region = home(domicile)
    now = region.clock.now()
    with region.catalog.begin() as connection:
        return watch.look(connection, now, region.topology.bounds)


def test_a_new_region_has_nothing_to_watch(domicile: Domicile) -> None:
    """And no moment is the beginning of time."""
    found = looked(domicile)
    assert (found.overdue_since, found.oldest_erasure) == (None, None)
    assert (found.open_erasures, found.holds, found.grants) == (0, 0, 0)
    assert found.horizon is not None
    assert found.purging == found.missing == found.unrepaired == found.orphans == {}


def test_an_erasure_that_a_hold_defers_is_not_overdue(domicile: Domicile) -> None:
    """However old it is. It is open, and counted as deferred."""
    domicile.tenant()
    put_prompt(domicile, "u")
    place_hold(domicile)
    erase(domicile.tenant())
    work(domicile)
    work(domicile, days=9)
    found = looked(domicile)
    assert (found.open_erasures, found.deferred_erasures) == (1, 1)
    assert (found.oldest_erasure, found.overdue_since) == (None, None)


def test_an_erasure_that_nobody_plans_is_overdue_after_an_hour(domicile: Domicile) -> None:
    """Its rows should go at once, its bytes need days."""
    domicile.tenant()
    put_prompt(domicile, "u")
    erasure = erase(domicile.tenant())
    domicile.pass_time(minutes=59)
    assert looked(domicile).overdue_since is None
    domicile.pass_time(minutes=2)
    since = looked(domicile).overdue_since
    assert since is not None
    assert abs(since - erasure.requested - timedelta(hours=1)) < timedelta(seconds=1)


def test_a_purge_is_overdue_after_an_hour_and_counted_by_backend(domicile: Domicile) -> None:
    """A backend that is away, after a day has expired."""
    domicile.tenant().put(DataClass.PROMPT, b"hello")
    work(domicile)
    work(domicile, hours=1)  # no canary is left
    domicile.pass_time(days=29)
    domicile.take_down("eu-b")
    work(domicile)
    found = looked(domicile)
    assert set(found.purging) == {"eu-b"}
    assert found.overdue_since is None
    work(domicile, hours=2)
    assert looked(domicile).overdue_since is not None


def test_missing_replicas_are_counted_by_backend(domicile: Domicile) -> None:
    """As the status counts them."""
    t_ = domicile.tenant()
    domicile.take_down("eu-a")
    for body in (b"one", b"two"):
        t_.put(DataClass.PROMPT, body)
    (region,) = domicile.store.status().regions
    assert looked(domicile).missing == {b.backend: b.missing for b in region.backends if b.missing}
    assert [*looked(domicile).missing] == ["eu-a"]


def test_a_grant_counts_while_it_may_be_used(domicile: Domicile) -> None:
    """Not before it is approved, and not after its hours."""
    domicile.tenant()
    record = put_prompt(domicile, "u")
    domicile.grant(
        GrantSpec(
            "acme-eu",
            Purpose.ABUSE_INVESTIGATION,
            INVESTIGATOR.id,
            justification="a report",
            scope=Scope.record(record),
            records_max=1,
            hours=2,
        )
    )
    assert looked(domicile).grants == 1
    domicile.pass_time(hours=1)
    with home(domicile).catalog.begin() as connection:
        approvals = connection.execute(t.grant_approval.select()).all()
    assert looked(domicile).grants == len(approvals) == 1
    domicile.pass_time(hours=2)
    assert looked(domicile).grants == 0


def test_a_storm_of_scrapes_asks_the_catalog_once(domicile: Domicile) -> None:
    """In a few statements; then all get the same answer until it is too old."""
    domicile.tenant()
    with watching(domicile) as seen:
        seen.scrape()
        with catalog_faults(seen.homes.served(HOME).region.catalog) as faults:
            seen.scrape()
            once = faults.statements
            assert all(seen.exporter.page().status == 200 for _ in range(20))
            assert 0 < faults.statements == once <= 8
            seen.scrape()
            assert faults.statements == 2 * once


def test_every_count_stops(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a backlog makes no scrape slow: each list ends at the limit."""
    t_ = domicile.tenant()
    assert len(list(t_.put_many(NewRecord(DataClass.PROMPT, b"%d" % n) for n in range(9)))) == 9
    monkeypatch.setattr(watch, "COUNTED", 5)
    domicile.pass_time(days=31)
    assert looked(domicile).overdue_records == 5


def test_a_backlog_is_counted_up_to_the_limit(domicile: Domicile) -> None:
    """With thirty thousand purges due, it counts ten thousand."""
    work(domicile)
    work(domicile, hours=1)  # no canary is left
    region = home(domicile)
    now = region.clock.now()
    with region.catalog.begin() as connection:
        rows = text(
            "INSERT INTO object (id, kind, state, backends, announced, deadline, family) "
            "SELECT gen_random_uuid(), 'pack', 'purging', '{eu-a}', :now, :now, gen_random_uuid() "
            "FROM generate_series(1, 5000) RETURNING id"
        )
        replicas = text(
            "INSERT INTO replica (id, object_id, backend, key, state, land_by, next_attempt, "
            "purging_since) SELECT gen_random_uuid(), id, 'eu-a', 'pack/' || id, 'purging', "
            ":now, :now, :now FROM unnest(CAST(:ids AS uuid[])) AS id"
        )
        for _ in range(6):  # one statement has little time
            ids = list(connection.scalars(rows, {"now": now}))
            connection.execute(replicas, {"now": now, "ids": ids})
        assert watch.look(connection, now, region.topology.bounds).purging == {"eu-a": 10_000}
