"""``store.admin``: what operators use."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from regions.model import cells_of
from storage.catalog import log, tenants
from storage.catalog.cells import chosen
from storage.catalog.engine import own_tenant
from storage.client.access import Access
from storage.client.agreements import Agreements
from storage.client.api_keys import ApiKeys
from storage.client.cells import Cells, place_of
from storage.client.exits import Exits
from storage.client.grants import Grants
from storage.client.holds import Holds
from storage.client.homes import Homes, home_elsewhere, unknown
from storage.client.log import Log
from storage.client.processors import Processors
from storage.client.regions import ServedRegion
from storage.client.roster import Roster
from storage.client.validate import check_limit, check_spec, check_tenant_id
from storage.errors import InvalidRequest, Refused, RegionNotRoutable
from storage.model import LineKind, TenantSpec
from storage.policy import admit, well_formed


class Admin:
    """Its parts, each an attribute: see their classes."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin`` instead."""
        self.tenants = Tenants(homes)
        self.holds = Holds(homes)
        self.processors = Processors(homes)
        self.roster = Roster(homes)
        self.grants = Grants(homes)
        self.agreements = Agreements(homes)
        self.exits = Exits(homes)
        self.log = Log(homes)
        self.access = Access(homes)
        self.api_keys = ApiKeys(homes)


class Tenants:
    """The tenants of the regions that this process serves. Thread-safe."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.tenants`` instead."""
        self._homes = homes
        self._cells = Cells(homes)

    def ensure(self, spec: TenantSpec) -> None:
        """Create a tenant, or set its terms to ``spec``. Repeating the call changes nothing.

        Agreements are added to its history if they are not there; what is not in ``spec`` stays.

        Raises InvalidRequest for a retention that it may not set, Refused if the terms are not
        allowed (AgreementRefused, ResidencyUnsatisfied, ConsumerTenant, ...), TenantConflict if the
        tenant exists with another account or home, RegionNotRoutable if it is new and its home
        takes no new tenant, and WrongRegion if this process does not serve the home. Every routable
        region of this process must answer: a tenant has one home. Where the home has several cells,
        a new tenant is given one of those that this process serves, and keeps it; a home that names
        a cell asks for that one. Raises PlacementUnsatisfied if none has room. Whoever creates a
        tenant there, or in a region with ``room``, serves the first cell.
        """
        check_spec(spec)
        spec = replace(spec, agreements=tuple(spec.agreements))
        topology = self._some(spec).region.topology
        admit(topology, spec)
        home = self._homes.served(self._cells.of(topology.regions, spec))
        spec = replace(spec, home=home.region.name)
        try:
            self._make(home, spec)
        except (InvalidRequest, Refused, RegionNotRoutable):
            self._cells.forget_unmade(spec.id, spec.home)
            raise

    def remove(self, tenant: str) -> None:
        """Remove a tenant of which nothing is left from every region.

        Its complete erasures, their receipts and the history of its agreements stay as long as the
        jurisdiction says. Repeat the call after an error. Raises
        TenantNotEmpty if it has a record, an erasure that is not complete, a hold in force or a
        copy at a processor, UnknownTenant, and WrongRegion if this process does not serve its home,
        or the first cell of it.
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

    def _make(self, home: ServedRegion, spec: TenantSpec) -> None:
        self._note_elsewhere(spec)  # first, so that two homes cannot both take the name
        new = home.region.catalog.run(
            lambda c: tenants.ensure(
                c,
                spec,
                home.region.clock.now(),
                home.region.entropy,
                topology=home.region.topology,
            )
        )
        if new:  # a removal that came between may have deleted the notes
            self._note_elsewhere(spec)
        self._homes.invalidate(spec.id)

    def _known_homes(self, tenant: str) -> set[str]:
        """Return the home of a tenant as each region knows it, or has chosen it: one, or none."""
        found = set()
        for region in self._homes.with_tenants() if well_formed(tenant) else ():
            with region.catalog.begin() as connection:
                found.add(tenants.home_of(connection, tenant) or chosen(connection, tenant))
        return {home for home in found if home is not None}

    def _remove(self, tenant: str, home: str) -> None:
        """Remove a tenant from its home, and what other regions note of it.

        The lock at its home is kept meanwhile: who makes the tenant again comes before or after.
        """

        def work(connection: Connection) -> None:
            own_tenant(connection, tenant)
            tenants.remove(connection, tenant)
            ended: log.Facts = {"tenant": tenant, "ended": "removed"}
            now = region.clock.now()
            log.append(connection, LineKind.AGREEMENT, ended, now, region.entropy)
            self._cells.forget(connection, tenant, home)

        region = self._homes.served(home).region
        self._cells.check_first(region.topology.regions, home, tenant)
        region.catalog.run(work)
        self._homes.invalidate(tenant)

    def _note_elsewhere(self, spec: TenantSpec) -> None:
        for region in self._homes.with_tenants(but=spec.home):
            with region.catalog.begin() as connection:
                tenants.note_elsewhere(connection, spec)

    def _some(self, spec: TenantSpec) -> ServedRegion:
        """Return the home if this process serves it, or else a region with the same topology."""
        if spec.home in self._homes.names:
            return self._homes.served(spec.home)
        some = next(iter(self._homes.regions.values()))
        regions = some.region.topology.regions
        if spec.home in regions:
            cells = cells_of(regions, place_of(regions, spec.home))
            if not any(cell.name in self._homes.names for cell in cells):
                raise home_elsewhere(spec.id, spec.home)
        # ``admit`` refuses a home that the topology does not have, with the reason
        return some


def _outward(home: ServedRegion, spec: TenantSpec) -> TenantSpec:
    """Return the terms with the home that customers see: that of a cell is its place."""
    return replace(spec, home=home.region.region.place or spec.home)
