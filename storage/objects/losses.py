"""What companies lost, and tenants may have had there."""

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.catalog import storages, tenants
from storage.catalog.objections import InForce
from storage.model import Loss
from storage.objects.places import run_by
from storage.policy import concerning
from storage.region import OpenRegion


def losses_of(
    region: OpenRegion, connection: Connection, found: Sequence[InForce]
) -> list[tuple[Loss, ...]]:
    """Return for each objection what the company lost since the tenant was created."""
    known = storages.losses(connection)
    if not known:
        return [()] * len(found)
    created = tenants.created(connection, {one.tenant for one in found})
    companies = {one.company for one in found}
    ran = {company: run_by(region, connection, [company]) for company in companies}
    early = 2 * region.clock.error  # another process may have created the tenant
    since = [created.get(one.tenant, one.since) - early for one in found]  # removed meanwhile
    return [
        concerning(known, ran[one.company], since=at) for one, at in zip(found, since, strict=True)
    ]
