"""A place of two cells: one region to the outside, two catalogs inside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from regions.load import TopologyProblem, load_topology
from storage.errors import PlacementUnsatisfied, TenantConflict
from storage.model import DataClass, Dpa, Purpose, TenantSpec
from storage.testing import SERVICE, Domicile, Server, new_domicile
from tests.support.topologies import CELL, PLACE, add_cell


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose topology has two cells."""
    directory = tmp_path_factory.mktemp("cells")
    add_cell(directory)
    server = Server(directory)
    yield server
    server.close()


@pytest.fixture
def place(cells: Server) -> Iterator[Domicile]:
    """Return a new, empty Domicile of two cells."""
    with new_domicile(cells, "memory") as made:
        yield made


def ensure(place: Domicile, name: str) -> None:
    """Create a tenant whose home is the place."""
    dpa = Dpa(signed=date(2026, 1, 5))
    spec = TenantSpec(name, "acme", PLACE, "EU", agreements=[dpa])
    place.store.admin.tenants.ensure(spec)


def cell_of(place: Domicile, name: str) -> str:
    """Return the region in whose catalog a tenant is."""
    return place.homes.find(name)[0].region.name


def test_the_first_cell_is_filled_then_the_second(place: Domicile) -> None:
    """And a full place refuses. Who has a cell keeps it."""
    for n in range(5):
        ensure(place, f"t{n}")
    with pytest.raises(PlacementUnsatisfied):
        ensure(place, "t5")
    for n in range(5):
        ensure(place, f"t{n}")

    assert [cell_of(place, f"t{n}") for n in range(5)] == [PLACE, PLACE, CELL, CELL, CELL]


def test_the_outside_sees_one_region(place: Domicile) -> None:
    """Terms name the place; records are stored and read; the status adds up."""
    for n in range(3):
        ensure(place, f"t{n}")
        put = place.store.tenant(f"t{n}").put(DataClass.PROMPT, b"mine")
        assert (
            place.store.tenant(f"t{n}").bind(SERVICE).get(put.id, purpose=Purpose.SERVE).body
            == b"mine"
        )

    assert {place.store.admin.tenants.get(f"t{n}").home for n in range(3)} == {PLACE}
    found = place.store.status()
    by_region = {region.region: region.records for region in found.regions}
    assert (by_region[PLACE], by_region[CELL]) == (2, 1)
    assert [(sum_.place, sum_.cells, sum_.records) for sum_ in found.places] == [
        (PLACE, (PLACE, CELL), 3)
    ]


def test_many_at_once_never_overfill_a_cell(place: Domicile) -> None:
    """Eight callers create the same five tenants: each has one cell, and no cell too many."""

    def create(_: int) -> None:
        for n in range(5):
            ensure(place, f"t{n}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(8)))

    assert sorted(cell_of(place, f"t{n}") for n in range(5)) == [PLACE] * 2 + [CELL] * 3


def test_a_tenant_from_before_the_second_cell_stays(place: Domicile) -> None:
    """It was at home in the first when that was the only one, and nobody chose."""
    dpa = Dpa(signed=date(2026, 1, 5))
    spec = TenantSpec("old", "acme", CELL, "EU", agreements=[dpa])
    place.store.admin.tenants.ensure(spec)

    ensure(place, "old")

    assert cell_of(place, "old") == CELL


def test_another_home_is_still_a_conflict(place: Domicile) -> None:
    """A cell is no way around a home that is permanent."""
    ensure(place, "t0")
    moved = TenantSpec("t0", "acme", "us-east-1", "US", agreements=[Dpa(signed=date(2026, 1, 5))])

    with pytest.raises(TenantConflict):
        place.store.admin.tenants.ensure(moved)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (('place = "eu-central-1"', 'place = "eu-west-9"'), "is not another region"),
        (('place = "eu-central-1"', 'place = "us-east-1"'), "is in US, not in EU"),
        (('place = "eu-central-1"', 'place = "eu-central-1-b"'), "is not another region"),
        (("room = 3", 'room = 3\ncells = "fill"'), "is for the first cell"),
    ],
)
def test_a_cell_that_belongs_nowhere_does_not_load(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    """The fault names the key."""
    add_cell(tmp_path)
    file = tmp_path / "regions" / f"{CELL}.toml"
    file.write_text(file.read_text().replace(*change))

    with pytest.raises(TopologyProblem, match=reason):
        load_topology(tmp_path)
