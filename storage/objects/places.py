"""Where an object may be.

Not at a company to which a tenant objects that has bytes in it. What is one tenant's alone is on
its own backends, if it has any, and nothing else is there.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from storage.catalog import objections, topologies
from storage.catalog.objects import StoredObject
from storage.region import OpenRegion


def lawful_for(region: OpenRegion, connection: Connection, known: StoredObject) -> tuple[str, ...]:
    """Return the backends where an object may be today, primary first."""
    return fit(region, connection, known, region.lawful())


def fit(
    region: OpenRegion, connection: Connection, known: StoredObject, backends: Sequence[str]
) -> tuple[str, ...]:
    """Return those of the backends that are for it, and at which none of its tenants objects."""
    avoided = objections.companies_avoided(connection, known)
    return without(region, connection, meant_for(region, known.tenant, backends), avoided)


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
