"""Decide whether a tenant may object to a sub-processor, and what that means for it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from regions.model import Region, SubProcessor, Topology
from storage.errors import ObjectionRefused
from storage.model import Loss, ObjectionEffect, TenantSpec
from storage.policy.agreements import holds_phi
from storage.policy.placement import inactive, unavailable


class ObjectionReason(StrEnum):
    """Why a tenant may or may not object to a company."""

    ALLOWED = "allowed"
    UNKNOWN_COMPANY = "unknown_company"
    STEWARD = "steward"  # it runs the home's database, keys or backups
    TOO_FEW_LEFT = "too_few_left"  # fewer places would be left than a write needs


@dataclass(frozen=True, slots=True)
class Objecting:
    """Whether a tenant may object to a company, and why; ``effect``: what it would mean."""

    reason: ObjectionReason
    effect: ObjectionEffect | None = None
    message: str = ""
    advice: str = ""

    def demand(self) -> ObjectionEffect:
        """Return the effect. Raise ObjectionRefused if the objection is not allowed."""
        if self.effect is None:
            raise ObjectionRefused(self.message, reasons=(self.reason,), advice=self.advice)
        return self.effect


def may_object(
    topology: Topology, tenant: TenantSpec, company: str, objections: Collection[str], on: date
) -> Objecting:
    """Decide whether a tenant with these objections may object to one more company on a day."""
    known, home = topology.sub_processors.get(company), topology.regions[tenant.home]
    if known is None:
        listed = f"Known: {', '.join(topology.sub_processors)}."
        message = "The topology has no such sub-processor."
        return Objecting(ObjectionReason.UNKNOWN_COMPANY, None, message, listed)
    avoided = {*objections, company}
    roles = [role for role, steward in home.stewards if steward.sub_processor == company]
    if roles:
        message = (
            f"{company} runs the {' and the '.join(roles)} of {home.name}. All data of the region "
            "depends on them, so no other place in the region avoids it."
        )
        advice = _elsewhere(topology, tenant, avoided, on)
        return Objecting(ObjectionReason.STEWARD, None, message, advice)
    places = _places(topology, home, tenant, avoided, on)
    if len(places) < home.required:
        message = (
            f"Without {company}, {home.name} has {len(places)} places for this tenant "
            f"({', '.join(places) or 'none'}), and a write needs {home.required}: every write "
            "would be refused, and what is stored there could not be moved."
        )
        advice = "Have a backend of another company added to the region. "
        advice += _elsewhere(topology, tenant, avoided, on)
        return Objecting(ObjectionReason.TOO_FEW_LEFT, None, message, advice)
    days = sorted(_changes(topology, home, tenant.id, on))
    too_few = (d for d in days if len(_places(topology, home, tenant, avoided, d)) < home.required)
    effect = ObjectionEffect(
        company, places, home.replicas, objection_due(known, on), next(too_few, None)
    )
    return Objecting(ObjectionReason.ALLOWED, effect)


def objection_due(company: SubProcessor, since: date) -> date:
    """Return the day by which what is stored at a company is elsewhere after an objection."""
    return since + timedelta(days=company.exit_days)


def _places(
    topology: Topology, region: Region, tenant: TenantSpec, avoided: Collection[str], on: date
) -> tuple[str, ...]:
    """Return a tenant's backends that are lawful on a day, without those of companies."""
    phi, known = holds_phi(topology, tenant), topology.sub_processors
    return tuple(
        spec.name
        for spec in region.places_of(tenant.id)
        if spec.sub_processor not in avoided
        and unavailable(spec, known[spec.sub_processor], on) is None
        and not (phi and not known[spec.sub_processor].takes_phi(on))
    )


def _changes(topology: Topology, home: Region, tenant: str, on: date) -> Iterator[date]:
    """Yield the later days from which on nothing new goes to a host of a tenant.

    It is ``exit_days`` before its agreement ends, or an agreement about health information ends.
    """
    for spec in home.places_of(tenant):
        company = topology.sub_processors[spec.sub_processor]
        days = [company.baa.until] if company.baa is not None else []
        if company.until is not None:
            days.append(company.until - timedelta(days=company.exit_days))
        yield from (day for day in days if day is not None and day > on)


def _elsewhere(topology: Topology, tenant: TenantSpec, avoided: Collection[str], on: date) -> str:
    """Say which regions of the residency avoid these companies."""
    residency = topology.residencies.get(tenant.residency)
    permitted = residency.jurisdictions if residency is not None else frozenset[str]()
    names = [
        region.name
        for region in topology.regions.values()
        if region.name != tenant.home
        and region.jurisdiction in permitted
        and _stewarded(topology, region, avoided, on)
        and len(_places(topology, region, tenant, avoided, on)) >= region.required
    ]
    listed = ", ".join(names) or "none in this topology"
    return (
        "Only a home in another region avoids it, and a tenant keeps its home: create a new tenant "
        f"there. Regions within {tenant.residency} without it: {listed}."
    )


def _stewarded(topology: Topology, region: Region, avoided: Collection[str], on: date) -> bool:
    return all(
        steward.sub_processor not in avoided
        and inactive(topology.sub_processors[steward.sub_processor], on) is None
        for _, steward in region.stewards
    )


def concerning(
    losses: Iterable[Loss], backends: Collection[str], *, since: datetime
) -> tuple[Loss, ...]:
    """Return the losses of the backends that a tenant may have had bytes on which is there since.

    Whether it had some nobody knows any more: rows of what was purged are pruned.
    """
    return tuple(one for one in losses if one.backend in backends and one.lost >= since)
