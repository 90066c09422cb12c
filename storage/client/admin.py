"""``store.admin``: what operators use."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from regions.model import cells_of
from storage.catalog import tenants
from storage.catalog.cells import give as give_cell
from storage.catalog.engine import own_tenant
from storage.client.holds import Holds
from storage.client.homes import Homes, home_elsewhere, unknown
from storage.client.processors import Processors
from storage.client.regions import ServedRegion
from storage.client.validate import check_limit, check_spec, check_tenant_id
from storage.errors import RegionNotRoutable
from storage.model import TenantSpec
from storage.policy import Cell, admit, choose_cell, well_formed
from storage.region import OpenRegion


class Admin:
    """The operators' interfaces: ``tenants``, ``holds`` and ``processors``."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin`` instead."""
        self.tenants = Tenants(homes)
        self.holds = Holds(homes)
        self.processors = Processors(homes)


class Tenants:
    """The tenants of the regions that this process serves. Thread-safe."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.tenants`` instead."""
        self._homes = homes

    def ensure(self, spec: TenantSpec) -> None:
        """Create a tenant, or set its terms to ``spec``. Repeating the call changes nothing.

        Raises Refused if the terms are not allowed (AgreementMissing, ResidencyUnsatisfied,
        ConsumerTenant, ...), TenantConflict if the tenant exists with another account or home,
        RegionNotRoutable if it is new and its home takes no new tenant, and WrongRegion if this
        process does not serve the home. Every routable region of this process must answer: a tenant
        has one home. Where the home has several cells, a new tenant is given one of those that this
        process serves, and keeps it. Raises PlacementUnsatisfied if none has room.
        """
        check_spec(spec)
        spec = replace(spec, agreements=tuple(spec.agreements))
        home = self._home(spec)
        admit(home.region.topology, spec)
        cell = self._cell(home, spec)
        if cell != spec.home:
            spec, home = replace(spec, home=cell), self._homes.served(cell)
        self._note_elsewhere(spec)  # first, so that two homes cannot both take the name
        new = home.region.catalog.run(
            lambda connection: tenants.ensure(connection, spec, home.region.clock.now())
        )
        if new:  # a removal that came between may have deleted the notes
            self._note_elsewhere(spec)
        self._homes.invalidate(spec.id)

    def remove(self, tenant: str) -> None:
        """Remove a tenant of which nothing is left, with its agreements, from every region.

        Its complete erasures and their receipts stay. Repeat the call after an error. Raises
        TenantNotEmpty if it has a record, an erasure that is not complete, a hold in force or a
        copy at a processor, UnknownTenant, and WrongRegion if this process does not serve its home.
        Every routable region of this process must answer. A write that is under way stores nothing,
        and raises TermsChanged.
        """
        check_tenant_id(tenant)
        self._homes.invalidate(tenant)
        for home in self._known_homes(tenant):
            if home in self._homes.names:
                self._remove(tenant, home)
                return
        self._homes.find(tenant)

    def get(self, tenant: str) -> TenantSpec:
        """Return a tenant's terms. Raises UnknownTenant or WrongRegion."""
        check_tenant_id(tenant)
        served, terms = self._homes.find(tenant)
        return _outward(served, terms.spec)

    def list(self, region: str, *, after: str = "", limit: int = 100) -> Sequence[TenantSpec]:
        """Return the tenants at home in a region, by ascending id.

        At most ``limit`` (1 to 1000). To page, pass the last id as ``after``. Raises WrongRegion.
        """
        check_limit(limit)
        check_tenant_id(after)
        if after and not well_formed(after):
            raise unknown("tenant", after)
        served = self._homes.served(region)
        with served.region.catalog.begin() as connection:
            ids = tenants.page(connection, after, limit)
            found = [tenants.find(connection, i) for i in ids]
        return [_outward(served, terms.spec) for terms in found if terms is not None]

    def _others(self, home: str) -> Iterator[ServedRegion]:
        """Yield the other regions, but for those that no service may use: no tenant is there."""
        for name in self._homes.names:
            if name == home:
                continue
            try:
                other = self._homes.served(name)
            except RegionNotRoutable:
                continue
            yield other

    def _cell(self, home: ServedRegion, spec: TenantSpec) -> str:
        """Return the cell of the tenant, chosen now if it is new. Mostly its home is the only one.

        The choice commits before anything else: a repetition, by anybody, finds it.
        """
        regions = home.region.topology.regions
        cells = [cell for cell in cells_of(regions, spec.home) if cell.name in self._homes.names]
        if len(cells) < 2:
            return spec.home

        def choose(tenants: dict[str, int]) -> str:
            known = [Cell(cell.name, tenants.get(cell.name, 0), cell.room) for cell in cells]
            return choose_cell(spec.home, home.region.region.cells, known)

        names = [cell.name for cell in cells_of(regions, spec.home)]
        return home.region.catalog.run(
            lambda connection: give_cell(connection, spec.id, names, choose)
        )

    def _known_homes(self, tenant: str) -> set[str]:
        """Return the home of a tenant as each region knows it: one, or none."""
        found = set()
        for region in self._regions() if well_formed(tenant) else ():
            with region.catalog.begin() as connection:
                found.add(tenants.home_of(connection, tenant))
        return {home for home in found if home is not None}

    def _remove(self, tenant: str, home: str) -> None:
        """Remove a tenant from its home, and what other regions note of it.

        The lock at its home is kept meanwhile: who makes the tenant again comes before or after.
        """

        def work(connection: Connection) -> None:
            own_tenant(connection, tenant)
            tenants.remove(connection, tenant)
            for region in self._regions(but=home):
                with region.catalog.begin() as elsewhere:
                    tenants.forget_elsewhere(elsewhere, tenant, home)

        self._homes.served(home).region.catalog.run(work)
        self._homes.invalidate(tenant)

    def _note_elsewhere(self, spec: TenantSpec) -> None:
        for region in self._regions(but=spec.home):
            with region.catalog.begin() as connection:
                tenants.note_elsewhere(connection, spec)

    def _regions(self, *, but: str | None = None) -> Iterator[OpenRegion]:
        """Yield the regions that have tenants: one that is not ready, or retired, has none."""
        for name in self._homes.names:
            if name == but:
                continue
            try:
                yield self._homes.served(name).region
            except RegionNotRoutable:
                continue

    def _home(self, spec: TenantSpec) -> ServedRegion:
        if spec.home in self._homes.names:
            return self._homes.served(spec.home)
        some = next(iter(self._homes.regions.values()))
        if spec.home in some.region.topology.regions:
            raise home_elsewhere(spec.id, spec.home)
        # ``admit`` refuses a home that the topology does not have, with the reason
        return some


def _outward(home: ServedRegion, spec: TenantSpec) -> TenantSpec:
    """Return the terms with the home that customers see: that of a cell is its place."""
    return replace(spec, home=home.region.region.place or spec.home)
