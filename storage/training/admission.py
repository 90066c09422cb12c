"""Who may train on what a tenant has, whether it has anything or not."""

from storage.catalog import tenants
from storage.errors import UnknownTenant
from storage.model import Actor, Purpose
from storage.packs.openings import authority
from storage.policy import Access, for_opener
from storage.region import OpenRegion


def check_machine(region: OpenRegion, actor: Actor, tenant: str) -> None:
    """Raise PurposeRefused if an actor is handed nothing of the tenant for training.

    Each record is decided again. This is here because a tenant without records has none to decide.
    """
    with region.catalog.begin() as connection:
        terms = tenants.find(connection, tenant)
        if terms is None:
            raise UnknownTenant(reasons=("unknown_tenant",))
        found = for_opener(
            actor,
            Purpose.TRAIN,
            authority(region, connection, actor, terms),
            region.clock.now().date(),
            login_of_person=region.session.of_person(connection),
        )
    if found is not None:
        Access(found).demand()
