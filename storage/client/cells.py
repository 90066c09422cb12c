"""Which cell of its place a tenant is at home in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from regions.model import Region, cells_of
from storage.catalog import cells, stages, tenants
from storage.catalog.engine import own_tenant
from storage.client.homes import Homes
from storage.errors import RegionNotRoutable, WrongRegion
from storage.model import TenantSpec
from storage.policy import Cell, choose_cell, takes_tenants


@dataclass(frozen=True, slots=True)
class _Found:
    """What the catalog of a cell says: whether it takes tenants, and whether it has this one."""

    takes: bool
    has: bool


class Cells:
    """Finds the cell of a tenant, and gives a new one a cell. Thread-safe."""

    def __init__(self, homes: Homes) -> None:
        """Choose among the regions of ``homes``."""
        self._homes = homes

    def of(self, regions: Mapping[str, Region], spec: TenantSpec) -> str:
        """Return the region whose catalog has the tenant, or is to have it if it is new.

        The choice commits before anything else: a repetition, by anybody, finds it. Raises
        WrongRegion for a new tenant if this process does not serve the first cell, and
        PlacementUnsatisfied if no cell has room.
        """
        place = place_of(regions, spec.home)
        all_of = cells_of(regions, place)
        if not _chosen(all_of):
            return spec.home
        served = [cell for cell in all_of if cell.name in self._homes.names]
        found = {cell.name: self._look(cell.name, spec.id) for cell in served}
        for name, there in found.items():
            if there.has:
                return name if spec.home == place else spec.home
        self.check_first(regions, spec.home, spec.id)
        for name, there in found.items():
            if not there.takes:  # nobody can make the tenant there any more
                self.forget_unmade(spec.id, name)
        asked = [cell for cell in served if spec.home in (place, cell.name)]
        if [found[cell.name].takes for cell in asked] == [False]:
            return asked[0].name  # which says why it takes none
        return self._given(regions, spec, asked, found) if asked else spec.home

    def check_first(self, regions: Mapping[str, Region], home: str, tenant: str) -> None:
        """Raise WrongRegion unless this process may choose, or free, a place for a tenant."""
        place = place_of(regions, home)
        if _chosen(cells_of(regions, place)) and place not in self._homes.names:
            raise WrongRegion(
                f"The cell of tenant {tenant!r} is chosen in {place}, "
                "which this process does not serve.",
                home=place,
                advice=f"Create and remove tenants with a process that serves {place} too.",
            )

    def forget_unmade(self, tenant: str, home: str) -> None:
        """Delete what regions note of a tenant, unless it is there: its room is free again."""

        def work(connection: Connection) -> None:
            own_tenant(connection, tenant)
            if tenants.find(connection, tenant) is None:
                self.forget(connection, tenant, home)

        try:
            region = self._homes.served(home).region
        except RegionNotRoutable:
            self._forget_elsewhere(tenant, home)
        else:
            region.catalog.run(work)

    def forget(self, connection: Connection, tenant: str, home: str) -> None:
        """Delete what regions note of a tenant. ``connection``: to its home, with its lock."""
        cells.forget(connection, tenant, home)
        self._forget_elsewhere(tenant, home)

    def _forget_elsewhere(self, tenant: str, home: str) -> None:
        for region in self._homes.with_tenants(but=home):
            with region.catalog.begin() as elsewhere:
                tenants.forget_elsewhere(elsewhere, tenant, home)

    def _look(self, cell: str, tenant: str) -> _Found:
        try:
            region = self._homes.served(cell).region
        except RegionNotRoutable:
            return _Found(takes=False, has=False)
        with region.catalog.begin() as connection:
            own_tenant(connection, tenant)  # nobody makes it meanwhile
            takes = takes_tenants(stages.latest(connection))
            return _Found(takes, tenants.find(connection, tenant) is not None)

    def _given(
        self,
        regions: Mapping[str, Region],
        spec: TenantSpec,
        asked: Iterable[Region],
        found: Mapping[str, _Found],
    ) -> str:
        """Return the cell that the tenant was given, or one of those that are asked for, now."""
        place = place_of(regions, spec.home)

        def choose(counts: dict[str, int]) -> str:
            return choose_cell(
                place,
                regions[place].cells,
                [
                    Cell(cell.name, counts.get(cell.name, 0), cell.room, found[cell.name].takes)
                    for cell in asked
                ],
            )

        names = [cell.name for cell in cells_of(regions, place)]
        given = self._homes.served(place).region.catalog.run(
            lambda connection: cells.give(connection, spec.id, names, choose)
        )
        if spec.home not in (place, given):
            raise tenants.conflict(spec.id)
        return given


def place_of(regions: Mapping[str, Region], home: str) -> str:
    """Return the place of a home, which may be a cell of it."""
    return regions[home].place or home


def _chosen(cells: tuple[Region, ...]) -> bool:
    """Return whether a cell is chosen: there are several, or the only one has limited room."""
    return len(cells) > 1 or cells[0].room is not None
