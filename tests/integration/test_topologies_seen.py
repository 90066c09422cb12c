"""A catalog keeps what it has seen of the list of sub-processors, and holds a topology to it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from regions.load import load_topology
from storage.bootstrap import open_homes
from storage.catalog import topologies
from storage.errors import CatalogRestored, SubProcessorUnannounced
from storage.initialize import init
from storage.testing import Domicile
from tests.support.announcements import NEW, announce
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import catalog_of
from tests.support.inspect.stored import home

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)


def use(domicile: Domicile, topology: Path) -> None:
    """Reopen the store with another topology, as a new process."""
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


def on(domicile: Domicile, day: date) -> Sequence[topologies.Seen]:
    """Return what the catalog of the EU says was in use on a day."""
    with catalog_of(domicile.settings) as connection:
        return topologies.on_day(connection, day)


def names(seen: topologies.Seen) -> set[str]:
    """Return the companies of a list."""
    return {company.name for company in seen.companies}


@pytest.fixture
def fresh(domicile: Domicile) -> Domicile:
    """A Domicile whose clock is at TODAY."""
    assert domicile.clock.now().date() == TODAY
    return domicile


def test_a_company_that_begins_too_soon_keeps_its_region_closed(
    fresh: Domicile, tmp_path: Path
) -> None:
    """And no other. Nothing is noted; the command that makes catalogs refuses too."""
    soon = announce(tmp_path / "soon", TODAY + 29 * DAY, TODAY - DAY)
    kept = fresh.settings
    changed = kept.model_copy(update={"topology": soon})

    with open_homes(changed, dependencies=fresh.dependencies, log=fresh.log) as homes:
        assert set(homes.regions) == {"us-east-1"}
        with pytest.raises(SubProcessorUnannounced, match=r"neublick\.since is 2026-03-30.*03-31"):
            homes.served("eu-central-1")
    with pytest.raises(SubProcessorUnannounced):
        init(changed, dependencies=fresh.dependencies)

    assert [names(seen) for seen in on(fresh, TODAY)] == [set(load_topology().sub_processors)]


def test_the_dates_of_an_announced_company_stay(fresh: Domicile, tmp_path: Path) -> None:
    """It begins no sooner, and its past is not changed. What was seen before may be used again."""
    shipped = fresh.settings.topology
    use(fresh, announce(tmp_path / "well", TODAY + 30 * DAY, TODAY))
    with pytest.raises(SubProcessorUnannounced):
        use(fresh, announce(tmp_path / "sooner", TODAY + 20 * DAY, days=0))
    fresh.pass_time(days=31)
    with pytest.raises(SubProcessorUnannounced, match="the company has begun"):
        use(fresh, announce(tmp_path / "earlier", TODAY + 30 * DAY, TODAY - 5 * DAY))

    fresh.settings = fresh.settings.model_copy(update={"topology": shipped})
    fresh.open()
    use(fresh, tmp_path / "well")

    assert home(fresh).topology.sub_processors[NEW].since == TODAY + 30 * DAY


def test_a_company_that_was_dropped_comes_back_with_a_new_notice(
    fresh: Domicile, tmp_path: Path
) -> None:
    """After a week the topology that had it is held to the notice as any other, also a longer one.

    Until then it was in use, however long it was not opened.
    """
    shipped = fresh.settings.topology
    use(fresh, announce(tmp_path / "had", TODAY + 60 * DAY, TODAY, days=60))
    fresh.pass_time(days=70)
    fresh.settings = fresh.settings.model_copy(update={"topology": shipped})
    fresh.open()
    fresh.pass_time(days=6)
    use(fresh, tmp_path / "had")
    fresh.settings = fresh.settings.model_copy(update={"topology": shipped})
    fresh.open()
    fresh.pass_time(days=8)

    with pytest.raises(SubProcessorUnannounced, match=r"neublick\.since is 2026-04-30"):
        use(fresh, tmp_path / "had")
    soon = TODAY + 84 * DAY
    with pytest.raises(SubProcessorUnannounced, match=rf"is not over before {soon + 60 * DAY}"):
        use(fresh, announce(tmp_path / "anew", soon + 30 * DAY, soon, days=30))
    use(fresh, announce(tmp_path / "well", soon + 60 * DAY, soon, days=30))


def test_the_list_on_a_day_is_what_was_in_use(fresh: Domicile, tmp_path: Path) -> None:
    """While processes are replaced one after the other it is both; after that it is one."""
    fresh.pass_time(days=5)
    well = announce(tmp_path / "well", TODAY + 40 * DAY, TODAY)
    shipped = fresh.settings
    use(fresh, well)
    fresh.pass_time(days=1)
    fresh.settings = shipped
    fresh.open()
    fresh.pass_time(days=1)
    use(fresh, well)
    fresh.pass_time(days=30)

    had = {NEW in names(seen) for seen in on(fresh, TODAY + 4 * DAY)}

    assert had == {False}
    assert [NEW in names(seen) for seen in on(fresh, TODAY + 6 * DAY)] == [False, True]
    assert [NEW in names(seen) for seen in on(fresh, TODAY + 7 * DAY)] == [True]
    assert [NEW in names(seen) for seen in on(fresh, TODAY + 36 * DAY)] == [True]
    assert on(fresh, TODAY - 60 * DAY) == []


def test_what_is_in_use_is_noted_once_a_day(fresh: Domicile) -> None:
    """An opening that finds it noted writes nothing."""
    first = on(fresh, TODAY)[0]
    fresh.pass_time(hours=1)
    fresh.open()
    same = on(fresh, TODAY)[0]
    fresh.pass_time(days=1)
    fresh.open()

    assert same == first
    later = on(fresh, TODAY)[0]
    assert later == replace(first, last_seen=later.last_seen)
    assert later.last_seen.date() == TODAY + DAY


def test_a_command_notes_nothing(fresh: Domicile, tmp_path: Path) -> None:
    """It may have another topology than the services. It is held to the notice all the same."""
    looks = replace(fresh.dependencies, probing=False)
    for since, regions in ((30, 2), (29, 1)):
        topology = announce(tmp_path / str(since), TODAY + since * DAY, TODAY - DAY)
        changed = fresh.settings.model_copy(update={"topology": topology})
        with open_homes(changed, dependencies=looks, log=fresh.log) as homes:
            assert len(homes.regions) == regions

    assert [NEW in names(seen) for seen in on(fresh, TODAY)] == [False]


def test_what_code_of_a_later_version_noted_is_passed_over(fresh: Domicile) -> None:
    """It goes on while older code runs, and older code goes on."""
    before = on(fresh, TODAY)[0]
    with catalog_of(fresh.settings) as connection:
        connection.execute(
            text("""
            UPDATE topology_seen SET sub_processors = jsonb_set(jsonb_set(sub_processors,
              '{0,parts,9}', '{"kind": "later", "region": "x"}'), '{0,later}', '1')
        """)
        )

    fresh.open()

    assert on(fresh, TODAY) == [before]


def test_a_restored_catalog_is_not_held_to_what_it_has_lost(
    fresh: Domicile, tmp_path: Path
) -> None:
    """It says that it was restored, and after the recovery the region opens."""
    dump = Dump.of(fresh)
    use(fresh, announce(tmp_path / "well", TODAY + 30 * DAY, TODAY))
    fresh.pass_time(days=20)
    dump.restore(fresh)

    with pytest.raises(CatalogRestored):
        fresh.open()
    recover_catalog(fresh)

    assert {one.name: one.listed for one in on(fresh, TODAY + 20 * DAY)[-1].companies}[NEW] is None
