"""Objections of one tenant: to object, to withdraw, and what is left at the company."""

from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from storage.catalog import objections, tenants
from storage.catalog.engine import own_tenant
from storage.catalog.objections import InForce
from storage.catalog.tenants import TenantTerms
from storage.catalog.times import WORK
from storage.client.homes import unknown
from storage.errors import ObjectionRefused
from storage.model import Loss, Objection, ObjectionEffect, TenantObjection
from storage.objects.losses import losses_of
from storage.objects.places import run_by
from storage.policy import may_object, objection_due
from storage.region import OpenRegion


def object_to(
    region: OpenRegion, tenant: str, company: str, *, by: str, ticket: str
) -> ObjectionEffect:
    """Note an objection. Raises ObjectionRefused."""

    def work(connection: Connection) -> ObjectionEffect:
        own_tenant(connection, tenant)
        now = region.clock.now()
        terms = _terms(connection, tenant)
        others = terms.objections - {company}
        effect = may_object(region.topology, terms.spec, company, others, now.date()).demand()
        if objections.add(connection, tenant, company, by=by, ticket=ticket, now=now):
            return effect
        current = {one.company: one for one in objections.in_force(connection, tenant)}
        asked = current[company].since.date()
        return replace(effect, due=objection_due(region.topology.sub_processors[company], asked))

    return region.catalog.run(work)


def withdraw(region: OpenRegion, tenant: str, company: str, *, by: str, ticket: str) -> None:
    """End an objection. Raises ObjectionRefused if none is in force."""

    def work(connection: Connection) -> None:
        now = region.clock.now()
        if not objections.withdraw(connection, tenant, company, by=by, ticket=ticket, now=now):
            raise ObjectionRefused(
                "The tenant does not object to that company.",
                reasons=("not_objected",),
                advice="See: domicile tenant objections",
            )

    region.catalog.run(work)


def history(region: OpenRegion, tenant: str) -> list[Objection]:
    """Return the objections of a tenant, oldest first, with what is left at each company."""
    with region.catalog.within(WORK).begin() as connection:  # it counts all that is left
        found = objections.history(connection, tenant)
        current = {one.company: one for one in objections.in_force(connection, tenant)}
        return [
            one if one.withdrawn else _progress(region, connection, one, current[one.company])
            for one in found
        ]


def all_in_force(region: OpenRegion, *, after: str, limit: int) -> list[TenantObjection]:
    """Return the objections in force of so many tenants of a region, by ascending id, after one."""
    with region.catalog.begin() as connection:
        rows = objections.all_in_force(connection, after, limit)
        losses = losses_of(region, connection, [row[0] for row in rows])
    return [_listed(region, *row, lost) for row, lost in zip(rows, losses, strict=True)]


def _listed(
    region: OpenRegion, found: InForce, by: str, ticket: str, lost: tuple[Loss, ...]
) -> TenantObjection:
    due = _due(region, found)
    return TenantObjection(
        found.tenant,
        found.company,
        region.name,
        by,
        ticket,
        found.since,
        due,
        found.gone,
        overdue=found.gone is None and _has_come(region, due),
        lost=lost,
    )


def _due(region: OpenRegion, found: InForce) -> date | None:
    company = region.topology.sub_processors.get(found.company)
    return objection_due(company, found.since.date()) if company is not None else None


def _has_come(region: OpenRegion, due: date | None) -> bool:
    return due is not None and region.clock.now().date() >= due


def _progress(
    region: OpenRegion, connection: Connection, one: Objection, found: InForce
) -> Objection:
    backends = run_by(region, connection, [found.company])
    left = objections.count_left(connection, found, backends)
    due = _due(region, found)
    overdue = left > 0 and _has_come(region, due)
    gone = None if left else found.gone
    (lost,) = losses_of(region, connection, [found])
    return replace(
        one,
        due=due,
        left=left,
        gone=gone,
        look_at=found.look_at,
        lost=lost,
        overdue=overdue,
    )


def _terms(connection: Connection, tenant: str) -> TenantTerms:
    terms = tenants.find(connection, tenant)
    if terms is None:
        raise unknown("tenant", tenant)
    return terms
