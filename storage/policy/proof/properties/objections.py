"""What must hold of a tenant's objection to a company."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from regions.model import Region, SubProcessor, Topology
from storage.policy.proof.properties import Cause, Property, Violation, of_one_reason
from storage.policy.proof.properties.companies import why_not


@dataclass(frozen=True, slots=True)
class Facts:
    """An objection on a day. ``before``: the companies to which the tenant objects already.

    ``phi``: the tenant has health information.
    """

    topology: Topology
    home: Region
    tenant: str
    phi: bool
    company: str
    before: Collection[str]
    on: date

    def places(self, on: date) -> list[str]:
        """Return where the tenant's data may go on a day if it objects."""
        backends = self.home.backends
        own = any(self.tenant in one.dedicated_to and not one.retires for one in backends)
        found = []
        for spec in backends:
            company = self.topology.sub_processors[spec.sub_processor]
            its = self.tenant in spec.dedicated_to if own else not spec.dedicated_to
            avoided = company.name == self.company or company.name in self.before
            takes = not why_not(company, on) and not (self.phi and _lacks_baa(company, on))
            if its and takes and not avoided and not spec.retires:
                found.append(spec.name)
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """What the tenant is told that its objection means."""

    places: Sequence[str]
    replicas: int
    due: date
    too_few_from: date | None


def _lacks_baa(company: SubProcessor, on: date) -> bool:
    baa = company.baa
    return baa is None or on < baa.since or (baa.until is not None and baa.until <= on)


def of_objection(facts: Facts, told: Told | None, reason: str) -> Iterator[Violation]:
    """Yield each violation of a decision. ``told``: None: it is refused."""
    sentence = (
        f"The objection to {facts.company} of {facts.tenant} at home in {facts.home.name}, on "
        f"{facts.on},"
    )
    against = tuple(_against(facts))
    refused = reason if told is None else None
    yield from of_one_reason(Property.OBJECTION, sentence, against, refused)
    if told is None or against:
        return
    company = facts.topology.sub_processors[facts.company]
    true = Told(
        tuple(facts.places(facts.on)),
        facts.home.replicas,
        facts.on + timedelta(days=company.exit_days),
        next((day for day in _later(facts) if len(facts.places(day)) < facts.home.required), None),
    )
    if told != true:
        yield Violation(Property.REASONS, f"{sentence} would be said to mean {told}, not {true}.")


def _against(facts: Facts) -> Iterator[Cause]:
    if facts.company not in facts.topology.sub_processors:
        yield "unknown_company", "the topology lacks it"
        return
    if any(steward.sub_processor == facts.company for _, steward in facts.home.stewards):
        yield "steward", "all data of the region depends on it"
    left = len(facts.places(facts.on))
    if left < facts.home.required:
        yield "too_few_left", f"{left} places are left, and a write needs {facts.home.required}"


def _later(facts: Facts) -> list[date]:
    """Return every later day on which a host of the region begins, leaves or ends."""
    hosts = {spec.sub_processor for spec in facts.home.backends}
    days = {day for name in hosts for day in _dates(facts.topology.sub_processors[name])}
    return sorted(day for day in days if day > facts.on)


def _dates(company: SubProcessor) -> Iterator[date]:
    yield company.since
    if company.announced is not None:
        yield company.announced + timedelta(days=company.notice_days)
    if company.until is not None:
        yield company.until - timedelta(days=company.exit_days)
        yield company.until
    if company.baa is not None:
        yield company.baa.since
        yield company.baa.until or company.baa.since
