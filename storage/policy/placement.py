"""Decide where a record may live, and whether a tenant may store it at all."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from regions.backends import BackendSpec
from regions.fields import TENANT
from regions.model import RECORD_CLASSES, DataClass, Region, SubProcessor, Topology
from storage.errors import (
    AgreementMissing,
    ConsumerTenant,
    InvalidRequest,
    PlacementUnsatisfied,
    Refused,
    ResidencyUnsatisfied,
    UnknownClass,
)
from storage.model import PlacementReason, TenantSpec, Trait, Verdict
from storage.policy.agreements import holds_phi, required
from storage.policy.retention import check_retention, unknown_class

_SERVICE = "api"
_ID = re.compile(TENANT)

Refusal = Refused | UnknownClass

Barred = Callable[[BackendSpec], PlacementReason | None]
"""Returns why a backend of the home region takes no record of a tenant now, or None."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which backends a record goes to, and why not to the others.

    ``backends`` get the record, the primary first; ``required`` of them must have its bytes before
    a write is acknowledged. ``lawful``: all backends of the home region where bytes may be. Those
    that are closed get theirs when they are open again. With a ``refusal`` there are no backends,
    and ``required`` is 0. ``verdicts`` covers every backend of every region, but none that is
    dedicated to another tenant. If the record as such is refused, every backend of the home region
    has the reason of the refusal.
    """

    backends: tuple[str, ...]
    lawful: tuple[str, ...]
    required: int
    verdicts: tuple[Verdict, ...]
    refusal: Refusal | None = None

    def demand(self) -> Self:
        """Return the placement. Raise the refusal if there is one."""
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)
        return self


def decide_placement(
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    on: date,
    closed: Mapping[str, PlacementReason],
    *,
    objections: Collection[str],
) -> Placement:
    """Decide which backends a tenant's record of that class goes to on that UTC day.

    ``objections``: the companies that the tenant objects to.

    ``closed``: the backends to which nothing new may go now. One of them keeps its place if there
    is no other for it, and gets its replica when it is open again.

    The function does not raise. A refusal is returned in the placement: UnknownClass,
    ConsumerTenant, ResidencyUnsatisfied, AgreementMissing or PlacementUnsatisfied.
    """
    refusal = storable(topology, tenant, data_class, on, objections)

    phi = holds_phi(topology, tenant)

    def barred(spec: BackendSpec) -> PlacementReason | None:
        company = topology.sub_processors[spec.sub_processor]
        lacks = phi and not company.takes_phi(on)
        no_baa = PlacementReason.SUB_PROCESSOR_BAA_MISSING if lacks else None
        objected = PlacementReason.OBJECTED if company.name in objections else None
        return unavailable(spec, company, on) or no_baa or objected or closed.get(spec.name)

    verdicts = tuple(_verdicts(topology, tenant, refusal, barred))
    if refusal is None:
        refusal = _too_few(topology.regions[tenant.home], verdicts)
    if refusal is not None:
        return Placement((), (), 0, verdicts, refusal)
    home = topology.regions[tenant.home]
    own = [v for v in verdicts if v.region == home.name]
    wanted = [v.backend for v in own if v.reason is PlacementReason.ALLOWED]
    waiting = [v.backend for v in own if v.reason is closed.get(v.backend)]
    allowed = [v.backend for v in own if v.allowed]
    return Placement(
        (*wanted, *waiting[: home.replicas - len(wanted)]),
        (*allowed, *waiting),
        home.required,
        verdicts,
    )


def admit(topology: Topology, tenant: TenantSpec) -> None:
    """Raise unless the tenant may be created. Agreements are checked only when data is stored.

    Raises InvalidRequest (an id, a retention), UnknownClass, ConsumerTenant or
    ResidencyUnsatisfied.
    """
    for what, value in (("tenant", tenant.id), ("account", tenant.account)):
        if not well_formed(value):
            raise InvalidRequest(
                f"Invalid {what} id.",
                advice="Use 1 to 64 letters, digits, dots, underscores and hyphens, beginning with "
                "a letter or digit. Do not use personal data.",
            )
    refusal = _not_served(tenant) or _not_resident(topology, tenant)
    if refusal is not None:
        raise refusal
    for data_class, days in tenant.retention.items():
        check_retention(topology, data_class, days)


def well_formed(value: str) -> bool:
    """Whether a value is a valid tenant or account id."""
    return _ID.fullmatch(value) is not None


def storable(
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    on: date,
    objections: Collection[str],
) -> Refusal | None:
    """Return the first reason against storing the record on any backend at all, or None."""
    checks: tuple[Callable[[], Refusal | None], ...] = (
        lambda: _unknown(topology, data_class),
        lambda: _not_served(tenant),
        lambda: _not_resident(topology, tenant),
        lambda: _not_agreed(topology, tenant, on),
        lambda: _not_stewarded(topology, tenant, on),
        lambda: _objected(topology, tenant, objections),
    )
    return next((refusal for check in checks if (refusal := check()) is not None), None)


def _unknown(topology: Topology, data_class: DataClass) -> UnknownClass | None:
    if data_class in topology.classes and data_class in RECORD_CLASSES:
        return None
    return unknown_class(topology)


def _not_served(tenant: TenantSpec) -> ConsumerTenant | None:
    if tenant.service == _SERVICE:
        return None
    return ConsumerTenant(
        reasons=(PlacementReason.SERVICE_NOT_SERVED,),
        advice=f"Use a tenant whose service is {_SERVICE!r}.",
    )


def _not_resident(topology: Topology, tenant: TenantSpec) -> ResidencyUnsatisfied | None:
    """Refuse unless the home is a region of the topology, within the residency."""
    residency = topology.residencies.get(tenant.residency)
    if residency is None:
        return ResidencyUnsatisfied(
            "The topology has no such residency.",
            reasons=(PlacementReason.UNKNOWN_RESIDENCY,),
            advice=f"Known residencies: {', '.join(sorted(topology.residencies))}.",
        )
    home = topology.regions.get(tenant.home)
    if home is not None and home.jurisdiction in residency.jurisdictions:
        return None
    fit = [r.name for r in topology.regions.values() if r.jurisdiction in residency.jurisdictions]
    regions = f"Regions that satisfy {residency.name}: {', '.join(fit) or 'none in this topology'}."
    if home is None:
        return ResidencyUnsatisfied(
            "The tenant's home is not a region of the topology.",
            reasons=(PlacementReason.UNKNOWN_HOME,),
            advice=regions,
        )
    return ResidencyUnsatisfied(
        f"The home {home.name} is in {home.jurisdiction}, outside the residency {residency.name}.",
        reasons=(PlacementReason.OUTSIDE_RESIDENCY,),
        advice=regions,
    )


def _not_agreed(topology: Topology, tenant: TenantSpec, on: date) -> AgreementMissing | None:
    """Refuse unless every agreement that the tenant needs is in force on that day."""
    kinds = required(topology, tenant.residency, tenant.traits)
    lapses = [(kind, lapse) for kind in kinds if (lapse := _lapse(tenant, kind, on))]
    if not lapses:
        return None
    listed = ", ".join(f"{kind} ({_LAPSES[lapse]})" for kind, lapse in lapses)
    return AgreementMissing(
        f"{tenant.residency}{' with the trait phi' if Trait.PHI in tenant.traits else ''} requires "
        f"agreements that are not in force on {on}: {listed}.",
        reasons=[PlacementReason(f"{kind}_{lapse}") for kind, lapse in lapses],
        advice="Sign them, then record them with: domicile tenant agreement add",
    )


_LAPSES = {"missing": "none is recorded", "not_yet": "begins later", "expired": "has ended"}


def _lapse(tenant: TenantSpec, kind: str, on: date) -> str | None:
    """Return why no agreement of that kind is in force on the day, as a key of ``_LAPSES``."""
    signed = [agreement for agreement in tenant.agreements if agreement.kind == kind]
    if any(agreement.in_force(on) for agreement in signed):
        return None
    if not signed:
        return "missing"
    return "not_yet" if any(on < agreement.begins for agreement in signed) else "expired"


def _not_stewarded(topology: Topology, tenant: TenantSpec, on: date) -> PlacementUnsatisfied | None:
    """Refuse unless the agreements for the home's database, keys and backups cover that day.

    With protected health information a business associate agreement with each must be one of them.
    """
    home = topology.regions[tenant.home]
    for role, steward in home.stewards:
        state = inactive(topology.sub_processors[steward.sub_processor], on)
        if state is not None:
            return PlacementUnsatisfied(
                f"The {role} of {home.name} is run by {steward.sub_processor}, "
                f"whose agreement does not cover {on}.",
                reasons=(PlacementReason(f"{role}_{state}"),),
                advice="Renew the agreement in sub_processors.toml, or name another sub-processor.",
            )
        company = topology.sub_processors[steward.sub_processor]
        if holds_phi(topology, tenant) and not company.takes_phi(on):
            return PlacementUnsatisfied(
                f"The {role} of {home.name} is run by {steward.sub_processor}, with which no "
                f"business associate agreement is in force on {on}.",
                reasons=(PlacementReason(f"{role}_baa_missing"),),
                advice="Sign one, and state it in sub_processors.toml, or name another "
                "sub-processor.",
            )
    return None


def _objected(
    topology: Topology, tenant: TenantSpec, objections: Collection[str]
) -> PlacementUnsatisfied | None:
    """Refuse if the tenant objects to who runs the home's database, keys or backups."""
    home = topology.regions[tenant.home]
    for role, steward in home.stewards:
        if steward.sub_processor in objections:
            return PlacementUnsatisfied(
                f"The {role} of {home.name} is run by {steward.sub_processor}, "
                "to which the tenant objects.",
                reasons=(PlacementReason(f"{role}_objected"),),
                advice="Name another sub-processor in the region's file, or ask the tenant to "
                "withdraw its objection.",
            )
    return None


def inactive(company: SubProcessor, on: date) -> PlacementReason | None:
    """Return why a sub-processor may not hold data on that day, or None if it may."""
    if company.active(on):
        return None
    if not company.begun(on):
        return PlacementReason.SUB_PROCESSOR_NOT_YET
    return PlacementReason.SUB_PROCESSOR_ENDED


def unavailable(spec: BackendSpec, company: SubProcessor, on: date) -> PlacementReason | None:
    """Return why a backend takes nothing new on that day, or None if it does."""
    ended = inactive(company, on)
    if ended is None and company.leaving(on):
        return PlacementReason.SUB_PROCESSOR_LEAVING
    if ended is None and spec.retires:
        return PlacementReason.BACKEND_RETIRES
    return ended


def _verdicts(
    topology: Topology, tenant: TenantSpec, refusal: Refusal | None, barred: Barred
) -> Iterator[Verdict]:
    residency = topology.residencies.get(tenant.residency)
    permitted = residency.jurisdictions if residency is not None else frozenset[str]()
    for region in topology.regions.values():
        if region.jurisdiction not in permitted:
            against: PlacementReason | None = PlacementReason.OUTSIDE_RESIDENCY
        elif region.name != tenant.home:
            against = PlacementReason.OTHER_REGION
        else:
            against = _reason(refusal)
        yield from _of_region(region, tenant.id, against, barred)


def _reason(refusal: Refusal | None) -> PlacementReason | None:
    if isinstance(refusal, UnknownClass):
        return PlacementReason.UNKNOWN_CLASS
    return PlacementReason(refusal.reasons[0]) if refusal is not None else None


def _of_region(
    region: Region, tenant: str, against: PlacementReason | None, barred: Barred
) -> Iterator[Verdict]:
    """Yield the region's backends in order of preference; ``against`` rules out all of them.

    Those that are dedicated to other tenants are not named.
    """
    wanted, own = 0, region.dedicates(tenant)
    for spec in region.backends:
        if spec.reserved(tenant):
            continue
        shared = PlacementReason.NOT_DEDICATED if own and not spec.dedicated_to else None
        reason = against or shared or barred(spec)
        allowed = reason is None
        if reason is None:
            spare = wanted == region.replicas
            wanted += not spare
            reason = PlacementReason.SPARE if spare else PlacementReason.ALLOWED
        yield Verdict(spec.name, region.name, allowed=allowed, reason=reason, located=spec.located)


def _too_few(home: Region, verdicts: tuple[Verdict, ...]) -> PlacementUnsatisfied | None:
    """Refuse if fewer backends are lawful than a write requires."""
    own = [verdict for verdict in verdicts if verdict.region == home.name]
    left = sum(verdict.allowed for verdict in own)
    if left >= home.required:
        return None
    why = ", ".join(f"{v.backend}: {v.reason}" for v in own if not v.allowed)
    return PlacementUnsatisfied(
        f"{home.name} has fewer lawful backends ({left}) than a write needs ({home.required}): "
        f"{why}.",
        reasons=sorted({verdict.reason for verdict in own if not verdict.allowed}),
        advice="Renew an agreement in sub_processors.toml, correct the bucket (see: domicile "
        "backend posture), or add a backend to the region.",
    )
