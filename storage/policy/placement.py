"""Where a record may live, and whether a tenant may have it stored at all."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Self

from regions.model import DataClass, Region, SubProcessor, Topology
from storage.errors import (
    AgreementMissing,
    ConsumerTenant,
    InvalidRequest,
    PlacementUnsatisfied,
    Refused,
    ResidencyUnsatisfied,
    UnknownClass,
)
from storage.model import TenantSpec, Verdict
from storage.policy.retention import check_retention, unknown_class

_SERVICE = "api"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Refusal = Refused | UnknownClass


@dataclass(frozen=True, slots=True)
class Placement:
    """Which backends a record goes to, and why not to the others.

    ``backends`` are wanted, the primary first; ``required`` of them must have the bytes before a
    write is acknowledged. Both are empty (0) if there is a ``refusal``. ``verdicts`` has every
    backend of every region. Reason codes: ``allowed``; ``spare`` (allowed, but enough others come
    first); ``other_region``; ``outside_residency``; ``sub_processor_not_yet`` and
    ``sub_processor_ended``; or, for all backends of the home region, the code of the refusal.
    """

    backends: tuple[str, ...]
    required: int
    verdicts: tuple[Verdict, ...]
    refusal: Refusal | None = None

    def lawful(self) -> Self:
        """Itself, if the record may be stored. Raises the refusal otherwise."""
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)
        return self


def place(topology: Topology, tenant: TenantSpec, data_class: DataClass, on: date) -> Placement:
    """Where a tenant's record of that class is to be on that UTC day.

    The refusal, if there is one, is UnknownClass, ConsumerTenant, ResidencyUnsatisfied,
    AgreementMissing or PlacementUnsatisfied. Nothing else raises.
    """
    refusal = storable(topology, tenant, data_class, on)
    verdicts = tuple(_verdicts(topology, tenant, on, refusal))
    home = topology.regions.get(tenant.home)
    if refusal is None and home is not None:
        refusal = _too_few(home, verdicts)
    if refusal is not None or home is None:
        return Placement((), 0, verdicts, refusal)
    wanted = tuple(v.backend for v in verdicts if v.reason == "allowed")
    return Placement(wanted, home.required, verdicts)


def admit(topology: Topology, tenant: TenantSpec) -> None:
    """Whether the tenant may be created. Agreements are not asked for until something is stored.

    Raises InvalidRequest (an id, a retention), UnknownClass, ConsumerTenant or
    ResidencyUnsatisfied.
    """
    for what, value in (("tenant", tenant.id), ("account", tenant.account)):
        if not well_formed(value):
            raise InvalidRequest(
                f"That is no {what} id.",
                advice="Use 1 to 64 letters, digits, dots, underscores and hyphens; "
                "begin with a letter or digit; no personal data.",
            )
    refusal = _not_served(tenant) or _not_resident(topology, tenant)
    if refusal is not None:
        raise refusal
    for data_class, days in tenant.retention.items():
        check_retention(topology, data_class, days)


def well_formed(value: str) -> bool:
    """Whether that can be the id of a tenant or an account."""
    return _ID.fullmatch(value) is not None


def storable(
    topology: Topology, tenant: TenantSpec, data_class: DataClass, on: date
) -> Refusal | None:
    """What stands against storing it anywhere, whatever the backends are; the first thing."""
    checks: tuple[Callable[[], Refusal | None], ...] = (
        lambda: _unknown(topology, data_class),
        lambda: _not_served(tenant),
        lambda: _not_resident(topology, tenant),
        lambda: _not_agreed(topology, tenant, on),
        lambda: _not_stewarded(topology, tenant, on),
    )
    return next((refusal for check in checks if (refusal := check()) is not None), None)


def _unknown(topology: Topology, data_class: DataClass) -> UnknownClass | None:
    if data_class in topology.classes:
        return None
    return unknown_class(topology)


def _not_served(tenant: TenantSpec) -> ConsumerTenant | None:
    if tenant.service == _SERVICE:
        return None
    return ConsumerTenant(
        reasons=("service_not_served",), advice=f"Only tenants of service {_SERVICE!r} are."
    )


def _not_resident(topology: Topology, tenant: TenantSpec) -> ResidencyUnsatisfied | None:
    """The home is a region of the topology, in a jurisdiction of the residency."""
    residency = topology.residencies.get(tenant.residency)
    if residency is None:
        return ResidencyUnsatisfied(
            "The topology has no such residency.",
            reasons=("unknown_residency",),
            advice=f"The residencies are: {', '.join(sorted(topology.residencies))}.",
        )
    home = topology.regions.get(tenant.home)
    if home is not None and home.jurisdiction in residency.jurisdictions:
        return None
    fit = [r.name for r in topology.regions.values() if r.jurisdiction in residency.jurisdictions]
    regions = f"Regions that satisfy {residency.name}: {', '.join(fit) or 'none in this topology'}."
    if home is None:
        return ResidencyUnsatisfied(
            "The topology has no region of the home's name.",
            reasons=("unknown_home",),
            advice=regions,
        )
    return ResidencyUnsatisfied(
        f"The home {home.name} is in {home.jurisdiction}, outside the residency {residency.name}.",
        reasons=("outside_residency",),
        advice=regions,
    )


def _not_agreed(topology: Topology, tenant: TenantSpec, on: date) -> AgreementMissing | None:
    """Every agreement that the residency requires is in force on that day."""
    required = sorted(topology.residencies[tenant.residency].agreements)
    lapses = [(kind, lapse) for kind in required if (lapse := _lapse(tenant, kind, on))]
    if not lapses:
        return None
    said = ", ".join(f"{kind} ({_LAPSES[lapse]})" for kind, lapse in lapses)
    return AgreementMissing(
        f"{tenant.residency} requires agreements that are not in force on {on}: {said}.",
        reasons=[f"{kind}_{lapse}" for kind, lapse in lapses],
        advice="Sign them, and record that with tenant ensure.",
    )


_LAPSES = {"missing": "none was signed", "not_yet": "signed for later", "expired": "has ended"}


def _lapse(tenant: TenantSpec, kind: str, on: date) -> str | None:
    """Why no agreement of that kind is in force on the day: a key of ``_LAPSES``."""
    signed = [agreement for agreement in tenant.agreements if agreement.kind == kind]
    if any(agreement.in_force(on) for agreement in signed):
        return None
    if not signed:
        return "missing"
    return "not_yet" if any(on < agreement.signed for agreement in signed) else "expired"


def _not_stewarded(topology: Topology, tenant: TenantSpec, on: date) -> PlacementUnsatisfied | None:
    """Who runs the home region's database, keys and backups may do so on that day."""
    home = topology.regions[tenant.home]
    for role, steward in home.stewards:
        state = inactive(topology.sub_processors[steward.sub_processor], on)
        if state is not None:
            return PlacementUnsatisfied(
                f"The {role} of {home.name} is run by {steward.sub_processor}, "
                f"whose agreement does not cover {on}.",
                reasons=(f"{role}_{state}",),
                advice="Renew the agreement in sub_processors.toml, or name another sub-processor.",
            )
    return None


def inactive(company: SubProcessor, on: date) -> str | None:
    """Why it may hold nothing on that day, as a reason code."""
    if company.active(on):
        return None
    return "sub_processor_not_yet" if on < company.since else "sub_processor_ended"


def _verdicts(
    topology: Topology, tenant: TenantSpec, on: date, refusal: Refusal | None
) -> Iterator[Verdict]:
    residency = topology.residencies.get(tenant.residency)
    permitted = residency.jurisdictions if residency is not None else frozenset[str]()
    for region in topology.regions.values():
        if region.jurisdiction not in permitted:
            bar: str | None = "outside_residency"
        elif region.name != tenant.home:
            bar = "other_region"
        elif refusal is not None:
            bar = refusal.reasons[0] if isinstance(refusal, Refused) else "unknown_class"
        else:
            bar = None
        yield from _of_region(topology, region, on, bar)


def _of_region(topology: Topology, region: Region, on: date, bar: str | None) -> Iterator[Verdict]:
    """The region's backends in order of preference; ``bar`` is what stands against all of them."""
    wanted = 0
    for spec in region.backends:
        reason = bar or inactive(topology.sub_processors[spec.sub_processor], on)
        if reason is not None:
            yield Verdict(spec.name, region.name, allowed=False, reason=reason)
            continue
        spare = wanted == region.replicas
        wanted += not spare
        yield Verdict(spec.name, region.name, allowed=True, reason="spare" if spare else "allowed")


def _too_few(home: Region, verdicts: tuple[Verdict, ...]) -> PlacementUnsatisfied | None:
    """Fewer backends are left than must have the bytes before a write is acknowledged."""
    own = [verdict for verdict in verdicts if verdict.region == home.name]
    left = sum(verdict.allowed for verdict in own)
    if left >= home.required:
        return None
    why = ", ".join(f"{v.backend}: {v.reason}" for v in own if not v.allowed)
    return PlacementUnsatisfied(
        f"{home.name} has {left} lawful backends, and a write needs {home.required} ({why}).",
        reasons=sorted({verdict.reason for verdict in own if not verdict.allowed}),
        advice="Renew an agreement in sub_processors.toml, or add a backend to the region.",
    )
