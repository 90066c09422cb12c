"""Cases of handing copies over to processors, and of how long these may be there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from regions.model import Region, SubProcessor, Topology
from storage.policy.copies import (
    ASK_AHEAD,
    agreement_ending,
    copy_term,
    may_hand_over,
)
from storage.policy.proof.cases import companies, tenants
from storage.policy.proof.cases.placements import Placing, stewards
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.handover import Copied, of_copy, of_hand_over, of_leaving
from storage.policy.retention import Term, term_of

_TICK = timedelta(microseconds=1)
_OVER = frozenset({Property.HAND_OVER, Property.REASONS, Property.USABLE})
_COPIES = frozenset({Property.COPIES, Property.USABLE})


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each home region with each company, and the terms of each processor."""
    for region in topology.regions.values():
        for company in topology.sub_processors.values():
            yield _of_region(topology, region, company, today)
        unknown = next(iter(topology.sub_processors.values())).model_copy(
            update={"name": tenants.NOWHERE}
        )
        yield _of_region(topology, region, unknown, today)
    for company in topology.sub_processors.values():
        yield from _terms(company, topology, today)


def _of_region(topology: Topology, region: Region, company: SubProcessor, today: date) -> Family:
    """Return all that a hand-over rests on. Of the stewards one at a time is not well."""
    placing = Placing(topology, region, today)
    now = datetime.combine(today, time(12), UTC)

    def judge(case: Case) -> Iterator[Violation]:
        facts = placing.facts(case)
        decided = may_hand_over(
            facts.topology,
            facts.tenant,
            facts.data_class,
            company.name,
            now,
            objections=facts.objections,
        )
        return of_hand_over(facts, company.name, reason=decided.reason, allowed=decided.allowed)

    known = company.name in topology.sub_processors
    states = companies.states(company, today)
    _, _, *others = (_most(one) for one in placing.tenant())
    dimensions = (
        tenants.residencies(topology, region),
        tenants.ruled_classes(topology),
        *others,
        stewards(topology, region, today, but=company.name),
        states if known else Dimension((Value("", None),)),
        companies.objection(company.name),
    )
    return Family(f"hand-over from {region.name} to {company.name}", dimensions, _OVER, judge)


def _most(dimension: Dimension) -> Dimension:
    """Return what permits most, and all else as edges: placement goes through the combinations."""
    first, *others = dimension.values
    if dimension is tenants.PHI:
        return dimension
    return Dimension((first,), (*others, *dimension.edges))


def _terms(company: SubProcessor, topology: Topology, today: date) -> Iterator[Family]:
    now = datetime.combine(today, time(12), UTC)
    until = Dimension(
        tuple(
            Value("", None if days is None else today + timedelta(days=days))
            for days in (None, 0, 1, 2, 3, 4, 5, 14, 15, 30, 31, 400)
        )
    )
    times = Dimension(tuple(Value("", now + moment) for moment in _moments(company)))
    ends = Dimension(tuple(Value("", term) for term in _records(topology, today)))

    def judge_term(case: Case) -> Iterator[Violation]:
        last, at, term = (value.fact for value in case)
        dated = company.model_copy(update={"until": last})
        found = copy_term(dated, term, at)
        copied = Copied(
            dated,
            at,
            term.deadline,
            term.readable_until,
            found.deadline,
            found.ask_at,
            found.reason.value == "allowed",
        )
        return of_copy(copied, ASK_AHEAD)

    def judge_leaving(case: Case) -> Iterator[Violation]:
        last, at = (value.fact for value in case)
        dated = company.model_copy(update={"until": last})
        return of_leaving(dated, at, ASK_AHEAD, ending=agreement_ending(dated, at))

    if company.connector is not None:
        about = f"terms of copies at {company.name}"
        yield Family(about, (until, times, ends), _COPIES, judge_term)
    yield Family(f"copies at {company.name} asked back", (until, times), _COPIES, judge_leaving)


def _moments(company: SubProcessor) -> tuple[timedelta, ...]:
    """Return times around that at which copies are asked for, on a day."""
    noon = timedelta(hours=12)
    lead = timedelta() if company.connector is None else company.connector.lead
    edge = noon - (lead + ASK_AHEAD) % timedelta(days=1)
    return timedelta(), -noon, edge, edge - _TICK, noon - _TICK


def _records(topology: Topology, today: date) -> Iterator[Term]:
    """Yield terms of records: without an end, and with days around the lead times."""
    yield term_of(None, topology.bounds)
    for days in (0, 1, 2, 3, 4, 5, 14, 28, 60):
        yield term_of(today + timedelta(days=days), topology.bounds)
