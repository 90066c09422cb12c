"""Where an object may be: not at a company to which a tenant objects that has bytes in it."""

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
    """Return those of the backends at which no tenant with bytes in the object objects."""
    avoided = objections.companies_avoided(connection, known)
    return without(region, backends, avoided) if avoided else tuple(backends)


def without(
    region: OpenRegion, backends: Sequence[str], companies: frozenset[str]
) -> tuple[str, ...]:
    """Return those of the backends that none of the companies runs."""
    out = {name for company in companies for name in run_by(region, company)}
    return tuple(name for name in backends if name not in out)


def run_by(region: OpenRegion, company: str) -> list[str]:
    """Return the backends of the region that a company runs."""
    return [spec.name for spec in region.region.backends if spec.sub_processor == company]
