"""Where an object may be.

Not at a company to which a tenant objects that has bytes in it. What is one tenant's alone is on
its own backends, if it has any, and nothing else is there.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from storage.catalog import agreements, objections, topologies
from storage.catalog.objects import StoredObject
from storage.region import OpenRegion


def lawful_for(region: OpenRegion, connection: Connection, known: StoredObject) -> tuple[str, ...]:
    """Return the backends where an object may be today, primary first."""
    return fit(region, connection, known, region.lawful())


def fit(
    region: OpenRegion, connection: Connection, known: StoredObject, backends: Sequence[str]
) -> tuple[str, ...]:
    """Return those of the backends that are for it.

    None of its tenants objects to them; and what has protected health information comes to no
    company without a business associate agreement that does not have it already.
    """
    avoided = objections.companies_avoided(connection, known)
    lacking = without_baa(region) - hosts(region, known.backends)
    if lacking and agreements.has_phi(connection, known, residencies_with_baa(region)):
        avoided |= lacking
    return without(region, connection, meant_for(region, known.tenant, backends), avoided)


def without_baa(region: OpenRegion) -> frozenset[str]:
    """Return the hosts of the region with which no business associate agreement is in force."""
    today, companies = region.clock.now().date(), region.topology.sub_processors
    every = hosts(region, [spec.name for spec in region.region.backends])
    return frozenset(name for name in every if not companies[name].takes_phi(today))


def hosts(region: OpenRegion, backends: Collection[str]) -> frozenset[str]:
    """Return the companies that run backends."""
    own = region.region.backends
    return frozenset(spec.sub_processor for spec in own if spec.name in backends)


def residencies_with_baa(region: OpenRegion) -> list[str]:
    """Return the residencies under which everything is protected health information."""
    every = region.topology.residencies.values()
    return [residency.name for residency in every if "baa" in residency.agreements]


def meant_for(region: OpenRegion, tenant: str | None, backends: Sequence[str]) -> tuple[str, ...]:
    """Return those of the backends that are for a tenant. None: for what several tenants share."""
    fit = {spec.name for spec in region.region.places_of(tenant)}
    return tuple(name for name in backends if name in fit)


def without(
    region: OpenRegion, connection: Connection, backends: Sequence[str], companies: frozenset[str]
) -> tuple[str, ...]:
    """Return those of the backends that none of the companies runs or ran."""
    out = run_by(region, connection, companies) if companies else []
    return tuple(name for name in backends if name not in out)


def shared(region: OpenRegion) -> tuple[str, ...]:
    """Return the lawful backends that are dedicated to nobody, primary first.

    The ledger is on these: it is the region's, as the catalog is, and tells of all tenants.
    """
    return meant_for(region, None, region.lawful())


def run_by(region: OpenRegion, connection: Connection, companies: Collection[str]) -> list[str]:
    """Return the backends that companies run or ran, by any topology that the catalog has seen."""
    stated = {(spec.name, spec.sub_processor) for spec in region.region.backends}
    given = stated | topologies.seen_hosts(connection, region.name)
    return sorted({name for name, company in given if company in companies})
