"""What must hold of a tenant that is created."""

from collections.abc import Iterator
from dataclasses import dataclass

from regions.model import LONGEST_RETENTION_DAYS, RECORD_CLASSES, DataClass, Topology
from storage.model import TenantSpec
from storage.policy.proof.properties import Property, Violation


@dataclass(frozen=True, slots=True)
class Facts:
    """A case. ``names``: whether its id and its account are well formed."""

    topology: Topology
    tenant: TenantSpec
    names: bool


def of_admission(facts: Facts, refused: str | None) -> Iterator[Violation]:
    """Yield each violation. ``refused``: the name of the error, or None."""
    tenant = facts.tenant
    subject = f"A tenant with residency {tenant.residency} at home in {tenant.home}"
    causes = tuple(_against(facts))
    if refused is None:
        for why in causes:
            yield Violation(Property.ADMISSION, f"{subject} would be admitted, although {why}.")
    elif not causes:
        yield Violation(Property.USABLE, f"{subject} would be refused ({refused}).")


def _against(facts: Facts) -> Iterator[str]:
    topology, tenant = facts.topology, facts.tenant
    residency, home = topology.residencies.get(tenant.residency), topology.regions.get(tenant.home)
    if not facts.names:
        yield "its id or account is not well formed"
    if tenant.service != "api":
        yield "its service is not served"
    if residency is None:
        yield "the topology has no such residency"
    elif home is None:
        yield "the topology has no such home"
    elif home.jurisdiction not in residency.jurisdictions:
        yield f"its home is in {home.jurisdiction}"
    for data_class, days in tenant.retention.items():
        yield from _against_retention(topology, data_class, days)


def _against_retention(topology: Topology, data_class: DataClass, days: int) -> Iterator[str]:
    rule = topology.classes.get(data_class)
    if rule is None or data_class not in RECORD_CLASSES:
        yield f"{data_class} is no class of records"
        return
    most = LONGEST_RETENTION_DAYS if rule.ceiling_days is None else rule.ceiling_days
    least = topology.bounds.purge_hours / 24 + 1
    if days > most:
        yield f"{days} days for {data_class} are above {most}"
    if rule.floor_days is not None and days < rule.floor_days + least:
        yield f"{days} days for {data_class} are below its floor"
    if days < 0 or 0 < days < least:
        yield f"{days} days for {data_class} leave no time to read it"
