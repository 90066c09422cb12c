"""What must hold of a placement."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from regions.backends import BackendSpec
from regions.model import (
    RECORD_CLASSES,
    AgreementKind,
    DataClass,
    Region,
    SubProcessor,
    Topology,
)
from regions.words import begun_with_article
from storage.model import PlacementReason, TenantSpec, Trait, Verdict
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.companies import (
    has_begun,
    has_ended,
    holds,
    is_leaving,
    why_not,
)

Places = Mapping[str, tuple[Region, BackendSpec]]
"""Every backend of a topology by its name, with its region."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A case. ``signed``: what is amiss with each kind of agreement; None: it is in force."""

    topology: Topology
    places: Places
    tenant: TenantSpec
    data_class: DataClass
    on: date
    objections: Collection[str]
    closed: Mapping[str, PlacementReason]
    signed: Mapping[AgreementKind, str | None]

    @property
    def unsigned(self) -> dict[str, str]:
        """What the tenant needs and is not in force, with its state."""
        residency = self.topology.residencies.get(self.tenant.residency)
        needs = set() if residency is None else set(residency.agreements)
        if Trait.PHI in self.tenant.traits:
            needs |= {"enterprise", "baa", "use_case"}
        return {kind: state for kind, state in self.signed.items() if state and kind in needs}

    def lacks_baa(self, company: SubProcessor) -> bool:
        """Whether there is health information, and no agreement about it with a company."""
        residency = self.topology.residencies.get(self.tenant.residency)
        named = residency is not None and "baa" in residency.agreements
        if not named and Trait.PHI not in self.tenant.traits:
            return False
        baa = company.baa
        return (
            baa is None or baa.since > self.on or (baa.until is not None and baa.until <= self.on)
        )

    @property
    def subject(self) -> str:
        """The record that the case is about, in words."""
        return (
            f"{begun_with_article(self.data_class)} of a tenant with residency "
            f"{self.tenant.residency} at home in {self.tenant.home}, written on {self.on},"
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """What was decided. ``refused``: the reasons, or None."""

    backends: Sequence[str]
    lawful: Sequence[str]
    required: int
    verdicts: Sequence[Verdict]
    refused: Sequence[str] | None


def of_placement(facts: Facts, placed: Placed) -> Iterator[Violation]:
    """Yield each violation of a placement."""
    named = {*placed.backends, *placed.lawful}
    named.update(verdict.backend for verdict in placed.verdicts if verdict.allowed)
    for name in named:
        yield from _of_place(facts, name)
    causes = tuple(causes_against(facts))
    if placed.refused is None:
        for cause in causes:
            yield Violation(Property.TERMS, f"{facts.subject} would be stored, although {cause}.")
    elif causes and any(verdict.allowed for verdict in placed.verdicts):
        yield Violation(Property.TERMS, f"{facts.subject} would have places, and yet be refused.")
    if not causes:
        yield from _of_number(facts, placed)
    yield from _of_reasons(facts, placed)


def _of_place(facts: Facts, name: str) -> Iterator[Violation]:
    region, spec = facts.places[name]
    company = facts.topology.sub_processors[spec.sub_processor]
    where = f"{facts.subject} would be placed on {name} of {company.name}, which"
    residency = facts.topology.residencies.get(facts.tenant.residency)
    if residency is None or region.jurisdiction not in residency.jurisdictions:
        yield Violation(Property.RESIDENCY, f"{where} is in {region.jurisdiction}.")
    elif region.name != facts.tenant.home:
        yield Violation(Property.RESIDENCY, f"{where} is in {region.name}.")
    if why := why_not(company, facts.on):
        yield Violation(Property.COMPANIES, f"{where} {why}.")
    if spec.retires:
        yield Violation(Property.COMPANIES, f"{where} retires.")
    if facts.lacks_baa(company):
        yield Violation(Property.COMPANIES, f"{where} has no business associate agreement.")
    if company.name in facts.objections:
        yield Violation(Property.COMPANIES, f"{where} the tenant objects to.")
    if not _dedicated_well(facts, region, spec):
        whose = ", ".join(sorted(spec.dedicated_to)) or "nobody in particular"
        yield Violation(Property.DEDICATED, f"{where} is dedicated to {whose}.")


def _dedicated_well(facts: Facts, region: Region, spec: BackendSpec) -> bool:
    tenant = facts.tenant.id
    own = [one for one in region.backends if tenant in one.dedicated_to and not one.retires]
    return tenant in spec.dedicated_to if own or spec.dedicated_to else True


def causes_against(facts: Facts) -> Iterator[str]:
    """Yield why nothing of the tenant may be stored anywhere, as the end of a sentence."""
    topology, tenant = facts.topology, facts.tenant
    if facts.data_class not in topology.classes or facts.data_class not in RECORD_CLASSES:
        yield "that is no class of records of the topology"
    if tenant.service != "api":
        yield f"the service {tenant.service} is not served"
    residency, home = topology.residencies.get(tenant.residency), topology.regions.get(tenant.home)
    if residency is None:
        yield "the topology has no such residency"
    elif home is None or home.jurisdiction not in residency.jurisdictions:
        yield "its home is not in its residency"
    for kind, state in facts.unsigned.items():
        yield f"the {kind} is {state}"
    for role, steward in () if home is None else home.stewards:
        company = topology.sub_processors[steward.sub_processor]
        if not holds(company, facts.on):
            yield f"{company.name}, which runs the {role}, {why_not(company, facts.on)}"
        if facts.lacks_baa(company):
            yield f"{company.name}, which runs the {role}, has no business associate agreement"
        if company.name in facts.objections:
            yield f"the tenant objects to {company.name}, which runs the {role}"


def good_places(facts: Facts) -> tuple[list[str], list[str]]:
    """Return the backends of the home that may have the record: those that are open, and closed."""
    home = facts.topology.regions[facts.tenant.home]
    good = [
        spec.name
        for spec in home.backends
        if not why_not(facts.topology.sub_processors[spec.sub_processor], facts.on)
        and not spec.retires
        and spec.sub_processor not in facts.objections
        and not facts.lacks_baa(facts.topology.sub_processors[spec.sub_processor])
        and _dedicated_well(facts, home, spec)
    ]
    return (
        [name for name in good if name not in facts.closed],
        [name for name in good if name in facts.closed],
    )


def _of_number(facts: Facts, placed: Placed) -> Iterator[Violation]:
    """Look for too few places, and for a wrong order, if nothing is against the record as such."""
    home = facts.topology.regions[facts.tenant.home]
    opened, waiting = good_places(facts)
    enough = len(opened) >= home.required
    if placed.refused is not None:
        if enough:
            yield Violation(
                Property.USABLE,
                f"{facts.subject} would be refused ({', '.join(placed.refused)}), although "
                f"{', '.join(opened)} may have it.",
            )
        if placed.backends or placed.lawful or placed.required:
            yield Violation(Property.ENOUGH, f"{facts.subject} would be refused, and yet placed.")
        return
    if not enough:
        yield Violation(
            Property.ENOUGH,
            f"{facts.subject} would be accepted with {len(opened)} places, and a write requires "
            f"{home.required}.",
        )
    wanted = [*opened, *waiting] if len(opened) < home.replicas else opened
    if list(placed.backends) != wanted[: home.replicas] or placed.required != home.required:
        yield Violation(
            Property.ENOUGH,
            f"{facts.subject} would be placed on {', '.join(placed.backends) or 'nothing'} with "
            f"{placed.required} required, not on {', '.join(wanted[: home.replicas])} with "
            f"{home.required}.",
        )
    if missing := {*opened, *waiting} - set(placed.lawful):
        yield Violation(
            Property.USABLE, f"{facts.subject} would not be allowed on {', '.join(missing)}."
        )


def _of_reasons(facts: Facts, placed: Placed) -> Iterator[Violation]:
    expected = {
        name
        for name, (_, spec) in facts.places.items()
        if not spec.dedicated_to or facts.tenant.id in spec.dedicated_to
    }
    told = {verdict.backend for verdict in placed.verdicts}
    for name in sorted(expected ^ told):
        says = "names" if name in told else "leaves out"
        yield Violation(Property.REASONS, f"The verdict on {facts.subject[:-1]} {says} {name}.")
    for reason in placed.refused or ():
        if not _true_of_all(reason, facts):
            yield Violation(
                Property.REASONS, f"{facts.subject} would be refused as {reason}, which is not so."
            )
    seen: dict[str, int] = {}
    for verdict in placed.verdicts:
        before = seen.get(verdict.region, 0)
        seen[verdict.region] = before + verdict.allowed
        if not _true(verdict, facts, before):
            yield Violation(
                Property.REASONS,
                f"{facts.subject} has the verdict {verdict.reason} for {verdict.backend}, which is "
                "not so.",
            )


def _true(verdict: Verdict, facts: Facts, before: int) -> bool:
    """Whether the reason of a verdict is so. ``before``: the backends that are preferred to it."""
    region, spec = facts.places[verdict.backend]
    residency = facts.topology.residencies.get(facts.tenant.residency)
    permitted = residency is not None and region.jurisdiction in residency.jurisdictions
    if verdict.allowed:
        spare = PlacementReason.SPARE if before >= region.replicas else PlacementReason.ALLOWED
        return verdict.reason is spare
    if verdict.reason is PlacementReason.OUTSIDE_RESIDENCY:
        return not permitted
    if verdict.reason is PlacementReason.OTHER_REGION:
        return permitted and region.name != facts.tenant.home
    return verdict.reason in _reasons(facts, region, spec) or _true_of_all(verdict.reason, facts)


def _reasons(facts: Facts, region: Region, spec: BackendSpec) -> set[PlacementReason]:
    """Return what is against a single backend of the home."""
    company = facts.topology.sub_processors[spec.sub_processor]
    states = {
        PlacementReason.SUB_PROCESSOR_NOT_YET: not has_begun(company, facts.on),
        PlacementReason.SUB_PROCESSOR_ENDED: has_ended(company, facts.on),
        PlacementReason.SUB_PROCESSOR_LEAVING: holds(company, facts.on)
        and is_leaving(company, facts.on),
        PlacementReason.BACKEND_RETIRES: spec.retires and holds(company, facts.on),
        PlacementReason.SUB_PROCESSOR_BAA_MISSING: facts.lacks_baa(company),
        PlacementReason.OBJECTED: company.name in facts.objections,
        PlacementReason.NOT_DEDICATED: not _dedicated_well(facts, region, spec),
    }
    if spec.name in facts.closed:
        states[facts.closed[spec.name]] = True
    return {reason for reason, so in states.items() if so}


def _true_of_all(reason: str, facts: Facts) -> bool:
    """Whether a reason that concerns no single backend is so."""
    topology, tenant, on = facts.topology, facts.tenant, facts.on
    residency, home = topology.residencies.get(tenant.residency), topology.regions.get(tenant.home)
    simple = {
        "unknown_class": facts.data_class not in topology.classes
        or facts.data_class not in RECORD_CLASSES,
        "service_not_served": tenant.service != "api",
        "unknown_residency": residency is None,
        "unknown_home": home is None,
    }
    if reason in simple:
        return simple[reason]
    if home is None or residency is None:
        return False
    if reason == "outside_residency":
        return home.jurisdiction not in residency.jurisdictions
    for role, steward in home.stewards:
        company = topology.sub_processors[steward.sub_processor]
        states = {
            f"{role}_sub_processor_not_yet": not has_begun(company, on),
            f"{role}_sub_processor_ended": has_ended(company, on),
            f"{role}_baa_missing": facts.lacks_baa(company),
            f"{role}_objected": company.name in facts.objections,
        }
        if reason in states:
            return states[reason]
    if any(reason == f"{kind}_{state}" for kind, state in facts.unsigned.items()):
        return True
    return any(reason in _reasons(facts, home, spec) for spec in home.backends)
