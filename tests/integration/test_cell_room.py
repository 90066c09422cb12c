"""Who is given a cell, by which process, and what counts against its room."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from storage import Store
from storage.bootstrap import open_store
from storage.catalog import cells, stages
from storage.catalog.tenants import note_elsewhere
from storage.errors import (
    PlacementUnsatisfied,
    RegionNotRoutable,
    TenantConflict,
    UnknownTenant,
    WrongRegion,
)
from storage.model import Dpa, TenantSpec
from storage.policy import Stage
from storage.testing import Domicile, Server, new_domicile
from tests.support.topologies import CELL, PLACE, add_cell

PAIR = (PLACE, CELL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose topology has a place of two cells, with room for two and three."""
    directory: Path = tmp_path_factory.mktemp("cells")
    add_cell(directory)
    made = Server(directory)
    yield made
    made.close()


@pytest.fixture
def place(server: Server) -> Iterator[Domicile]:
    """Return a new, empty Domicile of two cells."""
    with new_domicile(server, "memory") as made:
        yield made


@contextmanager
def serving(place: Domicile, *names: str) -> Iterator[Store]:
    """Open the store of another process, which serves only some regions."""
    regions = {name: place.settings.regions[name] for name in names}
    settings = place.settings.model_copy(update={"regions": regions})
    with open_store(settings, dependencies=place.dependencies, log=place.log) as store:
        yield store


def terms(name: str, home: str = PLACE, **other: object) -> TenantSpec:
    """Return the terms of a tenant in the EU."""
    dpa = Dpa(signed=date(2026, 1, 5))
    return TenantSpec(name, "acme", home, "EU", agreements=[dpa], **other)  # type: ignore[arg-type]


def ensure(place: Domicile, name: str, home: str = PLACE) -> None:
    """Create a tenant."""
    place.store.admin.tenants.ensure(terms(name, home))


def cell_of(place: Domicile, name: str) -> str:
    """Return the region in whose catalog a tenant is."""
    return place.homes.find(name)[0].region.name


def set_stage(place: Domicile, region: str, stage: Stage) -> None:
    """Note a stage in the catalog of a region."""
    with place.homes.served(region).region.catalog.begin() as connection:
        stages.add(connection, stage, "")


def chosen(place: Domicile, name: str) -> str | None:
    """Return the cell that was chosen for a tenant."""
    with place.homes.served(PLACE).region.catalog.begin() as connection:
        return cells.chosen(connection, name)


def choose(place: Domicile, name: str, cell: str) -> None:
    """Leave what a process leaves that ends between its choice and the tenant."""
    with place.homes.served(PLACE).region.catalog.begin() as connection:
        cells.give(connection, name, PAIR, lambda _: cell)
    for region in {PLACE, CELL, "us-east-1"} - {cell}:
        with place.homes.served(region).region.catalog.begin() as connection:
            note_elsewhere(connection, terms(name, cell))


@pytest.mark.parametrize("home", PAIR)
def test_a_process_without_the_first_cell_makes_no_tenant(place: Domicile, home: str) -> None:
    """It cannot know what was chosen. It says which region must be served."""
    with serving(place, CELL) as store, pytest.raises(WrongRegion, match="is chosen in") as caught:
        store.admin.tenants.ensure(terms("t0", home))

    assert caught.value.home == PLACE
    with pytest.raises(UnknownTenant):
        place.store.admin.tenants.get("t0")


@pytest.mark.parametrize("home", PAIR)
def test_a_process_without_the_first_cell_changes_the_tenants_that_it_has(
    place: Domicile, home: str
) -> None:
    """Nothing is chosen for them, whichever of the two names they are called by."""
    ensure(place, "t0", CELL)

    with serving(place, CELL) as store:
        store.admin.tenants.ensure(terms("t0", home, dedicated=True))

    assert place.store.admin.tenants.get("t0").dedicated


def test_a_process_of_the_first_cell_alone_obeys_its_room(place: Domicile) -> None:
    """It chooses among the cells that it serves: that is one."""
    with serving(place, PLACE) as store:
        for n in range(2):
            store.admin.tenants.ensure(terms(f"t{n}"))
        with pytest.raises(PlacementUnsatisfied):
            store.admin.tenants.ensure(terms("t2"))


def test_a_process_of_the_first_cell_alone_obeys_the_choice(place: Domicile) -> None:
    """It was made by a process that ended before it made the tenant."""
    choose(place, "t0", CELL)

    with serving(place, PLACE) as store, pytest.raises(WrongRegion) as caught:
        store.admin.tenants.ensure(terms("t0"))

    assert caught.value.home == CELL


def test_a_home_that_names_a_cell_is_a_choice_too(place: Domicile) -> None:
    """It obeys the room of that cell, and is written down."""
    for n in range(3):
        ensure(place, f"t{n}", CELL)
    with pytest.raises(PlacementUnsatisfied):
        ensure(place, "t3", CELL)

    assert chosen(place, "t0") == CELL
    assert chosen(place, "t3") is None


def test_a_home_that_names_another_cell_than_was_chosen_is_a_conflict(place: Domicile) -> None:
    """The home of a tenant is permanent, also before the tenant is there."""
    choose(place, "t0", PLACE)

    with pytest.raises(TenantConflict):
        ensure(place, "t0", CELL)


def test_a_region_of_one_cell_obeys_its_room(tmp_path: Path) -> None:
    """Nobody needs a second cell to say how many tenants one takes."""
    add_cell(tmp_path, rooms=(1, 3))
    (tmp_path / "regions" / f"{CELL}.toml").unlink()
    server = Server(tmp_path)
    try:
        with new_domicile(server, "memory") as made:
            ensure(made, "t0")
            ensure(made, "t0")
            with pytest.raises(PlacementUnsatisfied):
                ensure(made, "t1")
    finally:
        server.close()


def test_a_retiring_cell_is_not_chosen(place: Domicile) -> None:
    """The next one is, and nobody chooses it by name. Who is there stays."""
    ensure(place, "t0")
    set_stage(place, PLACE, Stage.RETIRING)

    ensure(place, "t0")
    ensure(place, "t1")
    set_stage(place, CELL, Stage.RETIRING)
    with pytest.raises(RegionNotRoutable):
        ensure(place, "t2", CELL)
    with pytest.raises(PlacementUnsatisfied, match="not routable"):
        ensure(place, "t2")

    assert [cell_of(place, name) for name in ("t0", "t1")] == [PLACE, CELL]
    assert chosen(place, "t2") is None


@pytest.mark.parametrize("stage", [Stage.RETIRING, Stage.RETIRED])
def test_a_choice_that_came_to_nothing_is_made_again(place: Domicile, stage: Stage) -> None:
    """The cell stopped taking tenants before the tenant was made: it never will be there."""
    choose(place, "t0", CELL)
    set_stage(place, CELL, stage)

    with serving(place, *place.settings.regions) as store:
        store.admin.tenants.ensure(terms("t0"))

    assert chosen(place, "t0") == PLACE
    assert cell_of(place, "t0") == PLACE


def test_a_refused_tenant_takes_no_room(place: Domicile) -> None:
    """Its id is at home elsewhere, and it counts there."""
    us = TenantSpec("t0", "acme", "us-east-1", "US", agreements=[Dpa(signed=date(2026, 1, 5))])
    place.store.admin.tenants.ensure(us)

    with pytest.raises(TenantConflict):
        ensure(place, "t0")

    assert chosen(place, "t0") is None


def test_a_refused_change_of_a_tenant_frees_no_room(place: Domicile) -> None:
    """The tenant is there, whoever asked for what it may not have."""
    ensure(place, "t0", CELL)
    with pytest.raises(TenantConflict):
        place.store.admin.tenants.ensure(replace(terms("t0"), account="another"))

    assert chosen(place, "t0") == CELL


def test_a_tenant_that_its_home_refused_may_have_another(place: Domicile) -> None:
    """No other region goes on to note it as a tenant of the home that refused it."""
    us = TenantSpec("t0", "acme", "us-east-1", "US", agreements=[Dpa(signed=date(2026, 1, 5))])
    set_stage(place, "us-east-1", Stage.RETIRING)
    with pytest.raises(RegionNotRoutable):
        place.store.admin.tenants.ensure(us)

    ensure(place, "t0")

    assert cell_of(place, "t0") == PLACE


def test_a_removed_tenant_takes_no_room(place: Domicile) -> None:
    """In neither cell, and a choice that was never followed is removed too."""
    for n in range(5):
        ensure(place, f"t{n}")
    for name in ("t0", "t4"):
        place.store.admin.tenants.remove(name)
    for name in ("t5", "t6"):
        ensure(place, name)

    assert [cell_of(place, name) for name in ("t5", "t6")] == [PLACE, CELL]
    with pytest.raises(PlacementUnsatisfied):
        ensure(place, "t0")


def test_a_choice_without_a_tenant_can_be_removed(place: Domicile) -> None:
    """Who asked for the tenant never came back."""
    with place.homes.served(PLACE).region.catalog.begin() as connection:
        cells.give(connection, "t0", PAIR, lambda _: CELL)

    place.store.admin.tenants.remove("t0")

    assert chosen(place, "t0") is None


def test_who_removes_a_tenant_serves_the_first_cell(place: Domicile) -> None:
    """Otherwise its place would stay taken."""
    ensure(place, "t0", CELL)

    with serving(place, CELL) as store, pytest.raises(WrongRegion) as caught:
        store.admin.tenants.remove("t0")

    assert caught.value.home == PLACE
    assert cell_of(place, "t0") == CELL
