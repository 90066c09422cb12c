"""Who reads, of the commands that open content."""

from storage.catalog import roster
from storage.catalog.tenants import TenantTerms
from storage.client.regions import ServedRegion
from storage.client.validate import check_actor, check_note
from storage.model import Actor, ActorKind, Purpose
from storage.policy import OPENERS


def actor_of(served: ServedRegion, terms: TenantTerms, actor: str, purpose: Purpose) -> Actor:
    """Return who reads: what the roster says of an id, or else the tenant's own service.

    Raise InvalidRequest.
    """
    check_note("actor", actor)
    home = served.region.region.jurisdiction
    with served.region.catalog.begin() as connection:
        entry = roster.entry(connection, actor)
    if entry is None:
        check_actor(actor)
    if ActorKind.CUSTOMER in OPENERS[purpose] and entry is None:
        return Actor(actor, ActorKind.CUSTOMER, employer=terms.spec.account, location=home)
    if entry is None:  # it is refused, on record
        return Actor(actor, ActorKind.EMPLOYEE, employer="unknown", location=home)
    return Actor(actor, entry.kind, employer=entry.employer, location=entry.location)
