"""A catalog keeps the epochs that it has seen, and holds a topology to them."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.bootstrap import open_homes
from storage.catalog import topologies
from storage.errors import CatalogRestored, EpochBackdated
from storage.initialize import init
from storage.model import LineKind
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import REGIONS, catalog_of
from tests.support.inspect.stored import HOME, home
from tests.support.topology_files import EPOCHS, SHIPPED, use_topology
from tests.support.transparency import lines

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)


def stated(directory: Path, *begins: date, train: str = "opted_in") -> Path:
    """Return the shipped topology with more epochs, or without any."""
    made = shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    more = "".join(f'\n[[epochs]]\nfrom = {day}\ntrain = "{train}"\n' for day in begins)
    (made / EPOCHS).write_text((SHIPPED / EPOCHS).read_text() + more)
    return made


def without(directory: Path) -> Path:
    """Return the shipped topology without epochs."""
    made = stated(directory)
    (made / EPOCHS).unlink()
    return made


def rules(domicile: Domicile) -> list[str | None]:
    """Return the rules of the epochs that the catalog of the EU saw last."""
    with catalog_of(domicile.settings) as connection:
        seen = topologies.newest(connection)
    assert seen is not None
    assert seen.epochs is not None
    return [one.train for one in seen.epochs]


def everywhere(domicile: Domicile, statement: str) -> None:
    """Execute a statement in each catalog."""
    for region in REGIONS:
        with catalog_of(domicile.settings, region) as connection:
            connection.execute(text(statement))


def test_an_epoch_put_into_the_past_keeps_the_region_closed(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Today is the past. Nothing is noted; the command that makes catalogs refuses too."""
    for day in (TODAY, date(2024, 1, 1)):
        late = stated(tmp_path / str(day), day, train="unless_opted_out")
        changed = domicile.settings.model_copy(update={"topology": late})

        with (
            pytest.raises(EpochBackdated, match=f"The epoch from {day} would be added"),
            open_homes(changed, dependencies=domicile.dependencies, log=domicile.log),
        ):
            pass
        with pytest.raises(EpochBackdated):
            init(changed, dependencies=domicile.dependencies)

    assert rules(domicile) == ["unless_opted_out", "opted_in"]


def test_what_was_announced_stays_once_it_has_begun(domicile: Domicile, tmp_path: Path) -> None:
    """Until then it may be changed and taken back. What is used again within a week is believed."""
    begins = TODAY + 5 * DAY
    shipped = domicile.settings.topology
    use_topology(domicile, stated(tmp_path / "first", begins, train="opted_in"))
    use_topology(domicile, stated(tmp_path / "second", begins, train="unless_opted_out"))
    use_topology(domicile, tmp_path / "first")
    domicile.pass_time(days=5)

    with pytest.raises(EpochBackdated, match=f"from {begins} would be changed"):
        use_topology(
            domicile, stated(tmp_path / "third", begins, begins + DAY, train="unless_opted_out")
        )
    use_topology(domicile, shipped)
    use_topology(domicile, tmp_path / "first")
    domicile.pass_time(days=8)
    with pytest.raises(EpochBackdated, match=f"from {begins} would be taken away"):
        use_topology(domicile, shipped)

    domicile.settings = domicile.settings.model_copy(update={"topology": tmp_path / "first"})
    domicile.open()
    assert rules(domicile)[-1] == "opted_in"


def test_a_catalog_that_saw_no_epochs_gets_no_past(domicile: Domicile, tmp_path: Path) -> None:
    """To state none is a statement, which permits nothing. What older code noted is none."""
    everywhere(domicile, "DELETE FROM topology_seen")
    use_topology(domicile, without(tmp_path / "none"))
    with pytest.raises(EpochBackdated, match="from 2020-06-11 would be added"):
        use_topology(domicile, stated(tmp_path / "stated"))

    everywhere(domicile, "UPDATE topology_seen SET epochs = NULL")
    use_topology(domicile, tmp_path / "stated")
    assert rules(domicile) == ["unless_opted_out", "opted_in"]


def test_no_role_changes_what_was_seen(domicile: Domicile) -> None:
    """Those that note topologies only add rows."""
    with catalog_of(domicile.settings) as connection:
        roles = ("domicile_service", "domicile_worker", "domicile_admin")
        may = text("SELECT has_column_privilege(:role, 'topology_seen', 'epochs', 'UPDATE')")
        assert not any(connection.scalar(may, {"role": role}) for role in roles)


def test_a_recovery_notes_the_epochs_without_a_check(domicile: Domicile, tmp_path: Path) -> None:
    """The restored catalog has lost that it saw the epoch before it began."""
    dump = Dump.of(domicile)
    use_topology(domicile, stated(tmp_path / "well", TODAY + 5 * DAY))
    domicile.pass_time(days=10)
    dump.restore(domicile)

    with pytest.raises(CatalogRestored):
        domicile.open()
    recover_catalog(domicile)

    assert rules(domicile) == ["unless_opted_out", "opted_in", "opted_in"]


def test_the_log_says_which_topology_a_recovery_had_to_take(
    domicile: Domicile, tmp_path: Path
) -> None:
    """A past that is changed while nothing was seen of it: no other region of the process refuses.

    The newest line about a topology names the one that was in use, as the page on recovery says.
    """
    dump = Dump.of(domicile)
    use_topology(domicile, stated(tmp_path / "well", TODAY + 5 * DAY, train="opted_in"))
    used = home(domicile).topology.digest
    work(domicile)
    domicile.pass_time(days=10)
    dump.restore(domicile)
    changed = stated(tmp_path / "changed", TODAY + 5 * DAY, train="unless_opted_out")
    alone = {HOME: domicile.settings.regions[HOME]}
    domicile.settings = domicile.settings.model_copy(update={"topology": changed, "regions": alone})
    recover_catalog(domicile)
    domicile.open()

    assert home(domicile).topology.digest != used
    assert lines(domicile, LineKind.TOPOLOGY)[-1]["topology"] == used
