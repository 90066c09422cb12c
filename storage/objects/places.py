"""Where an object may be.

Not at a company to which a tenant objects that has bytes in it. What is one tenant's alone is on
its own backends, if it has any, and nothing else is there.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.catalog import objections
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
    return without(region, known.tenant, backends, avoided)


def without(
    region: OpenRegion, tenant: str | None, backends: Sequence[str], companies: frozenset[str]
) -> tuple[str, ...]:
    """Return those of the backends that are for a tenant, and that none of the companies runs.

    ``tenant``: None for what several tenants share.
    """
    places = region.region.places_of(tenant)
    fit = {spec.name for spec in places if spec.sub_processor not in companies}
    return tuple(name for name in backends if name in fit)


def shared(region: OpenRegion) -> tuple[str, ...]:
    """Return the lawful backends that are dedicated to nobody, primary first.

    The ledger is on these: it is the region's, as the catalog is, and tells of all tenants.
    """
    return without(region, None, region.lawful(), frozenset())


def run_by(region: OpenRegion, company: str) -> list[str]:
    """Return the backends of the region that a company runs."""
    return [spec.name for spec in region.region.backends if spec.sub_processor == company]
