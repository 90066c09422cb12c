"""Cases of placing a record, for each home region.

First **terms:** all agreements, residencies, services and traits of a tenant, with each steward of
the region in each of its states. Then **companies:** all states of all companies that the region
uses, if that gives no more than ``LIMIT`` cases. In a region with more companies or backends it
would give more than can be tried. There

- each company goes through its states, with and without an objection, and each of its backends
  through its own, while all others permit;
- then any number of companies has ended, and any number of backends is closed, from either end of
  the list.

That is enough because of how a placement is decided: the verdict on a backend rests on facts of its
own, of its company, of the tenant and of the stewards, and all that is joint is how many backends
are left. ``tests/unit/test_policy_proof_lemma.py`` shows that of every case of a small topology,
and of 10,000 random cases of large ones. Last come **days:** the companies as the topology states
them, on each edge of their dates.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain

from regions.model import Region, SubProcessor, Topology
from storage.errors import Refused
from storage.model import PlacementReason, TenantSpec
from storage.policy.placement import Placement, decide_placement
from storage.policy.proof.cases import companies, tenants
from storage.policy.proof.dimensions import Case, Dimension, Value, count
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.placement import Facts, Placed, Places, of_placement

LIMIT = 50_000
"""The most cases of one region whose companies are all combined with each other."""

PROPERTIES = frozenset(
    {
        Property.RESIDENCY,
        Property.COMPANIES,
        Property.DEDICATED,
        Property.ENOUGH,
        Property.TERMS,
        Property.REASONS,
        Property.USABLE,
    }
)


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each region."""
    for region in topology.regions.values():
        yield from _of_region(topology, region, today)


def _of_region(topology: Topology, region: Region, today: date) -> Iterator[Family]:
    judge = Placing(topology, region, today)
    about = f"placement in {region.name}"
    yield Family(f"{about}: terms", judge.terms(), PROPERTIES, judge)
    together = judge.together()
    if count(together) <= LIMIT:
        yield Family(about, together, PROPERTIES, judge)
    else:
        for company in judge.companies:
            yield Family(f"{about}: {company}", judge.alone(company), PROPERTIES, judge)
        yield Family(f"{about}: numbers", judge.numbers(), PROPERTIES, judge)
    yield Family(f"{about}: days", judge.days(), PROPERTIES, judge)


class Placing:
    """The dimensions of placing something in one region, and the judgment of a case.

    A case has the facts of the tenant, then changes: each is a company, an objection, or a backend
    that is closed, or several of these, or None.
    """

    def __init__(self, topology: Topology, region: Region, today: date) -> None:
        """``today``: the day on which something is placed."""
        self._topology, self._region, self._today = topology, region, today
        self._kinds = tenants.kinds(topology.residencies.values())
        self._places: Places = {
            spec.name: (place, spec)
            for place in topology.regions.values()
            for spec in place.backends
        }
        self._known: tuple[Sequence[SubProcessor], Topology] = ((), topology)

    @property
    def companies(self) -> tuple[str, ...]:
        """The companies that the region uses, hosts first."""
        hosts = (spec.sub_processor for spec in self._region.backends)
        stewards = (steward.sub_processor for _, steward in self._region.stewards)
        return tuple(dict.fromkeys((*hosts, *stewards)))

    def terms(self) -> tuple[Dimension, ...]:
        """Return the dimensions of a tenant, with one steward at a time in another state."""
        return *self.tenant(), stewards(self._topology, self._region, self._today)

    def together(self) -> tuple[Dimension, ...]:
        """Return the dimensions with all companies and backends of the region."""
        return (
            *self._in_order(),
            *(companies.states(self._company(name), self._today) for name in self.companies),
            *(companies.objection(name) for name in self.companies),
            *(companies.openness(spec.name) for spec in self._region.backends),
        )

    def alone(self, name: str) -> tuple[Dimension, ...]:
        """Return the dimensions with one company and its backends, and all others active."""
        others = tuple(self._in_state(other, 0) for other in self.companies if other != name)
        return (
            *self._in_order(),
            Dimension((Value("all other companies of the region are active", others),)),
            companies.states(self._company(name), self._today),
            companies.objection(name),
            *(
                companies.openness(spec.name)
                for spec in self._region.backends
                if spec.sub_processor == name
            ),
        )

    def numbers(self) -> tuple[Dimension, ...]:
        """Return the dimensions with any number of companies that ended, and of closed backends."""
        hosts = tuple(dict.fromkeys(spec.sub_processor for spec in self._region.backends))
        names = tuple(spec.name for spec in self._region.backends)
        return (
            *self._in_order(),
            Dimension((Value("", tuple(self._in_state(name, 0) for name in self.companies)),)),
            _any_number(hosts, "have ended", lambda name: self._in_state(name, 3)),
            _any_number(names, "are closed", lambda name: (name, PlacementReason.POSTURE_BAD)),
        )

    def days(self) -> tuple[Dimension, ...]:
        """Return the dimensions with the companies as the topology states them, on each edge."""
        found = {self._today}
        for name in self.companies:
            found.update(edges_of(self._company(name)))
        on = Dimension(tuple(Value(f"on {day}", day) for day in sorted(found)))
        closed = (companies.openness(spec.name) for spec in self._region.backends)
        residency, data_class, _, *others = self._in_order()
        return residency, data_class, on, *others, *closed

    def tenant(self) -> tuple[Dimension, ...]:
        """Return the dimensions of a tenant, which come first in a case."""
        home = self._region.name
        return (
            tenants.residencies(self._topology, self._region),
            tenants.record_classes(self._topology),
            Dimension((Value("", self._today),)),
            tenants.SERVICES,
            tenants.owners(self._region),
            tenants.PHI,
            Dimension(
                (Value(f"home {home}", home),),
                (Value("a home that the topology lacks", tenants.NOWHERE),),
            ),
            *(tenants.agreements(kind, self._today) for kind in self._kinds),
        )

    def _in_order(self) -> tuple[Dimension, ...]:
        """Return those of a tenant whose service and agreements are as they should be."""
        residency, data_class, on, _, owner, phi, home, *_ = self.tenant()
        served = Dimension(tenants.SERVICES.values[:1])
        signed = (tenants.always(kind) for kind in self._kinds)
        return residency, data_class, on, served, owner, phi, home, *signed

    def _company(self, name: str) -> SubProcessor:
        return self._topology.sub_processors[name]

    def _in_state(self, name: str, number: int) -> SubProcessor:
        found: SubProcessor = companies.states(self._company(name), self._today).values[number].fact
        return found

    def __call__(self, case: Case) -> Iterator[Violation]:
        """Decide the case, and yield how the placement violates a property."""
        facts = self.facts(case)
        placed = decide_placement(
            facts.topology,
            facts.tenant,
            facts.data_class,
            facts.on,
            facts.closed,
            objections=facts.objections,
        )
        return of_placement(facts, plain(placed))

    def facts(self, case: Case) -> Facts:
        """Return what a case states."""
        residency, data_class, on, service, tenant, traits, home = (x.fact for x in case[:7])
        signed = [value.fact for value in case[7 : 7 + len(self._kinds)]]
        objections: set[str] = set()
        closed: dict[str, PlacementReason] = {}
        changed: list[SubProcessor] = []
        for value in case[7 + len(self._kinds) :]:
            _sort(value.fact, changed, objections, closed)
        states = zip(self._kinds, (state for _, state in signed), strict=True)
        return Facts(
            topology=self._with(changed),
            places=self._places,
            tenant=TenantSpec(
                tenant,
                "any-account",
                home,
                residency,
                service,
                tuple(chain.from_iterable(made for made, _ in signed)),
                traits=traits,
            ),
            data_class=data_class,
            on=on,
            objections=objections,
            closed=closed,
            signed=dict(states),
        )

    def _with(self, changed: Sequence[SubProcessor]) -> Topology:
        """Return the topology with these companies. The last one is remembered."""
        before, known = self._known
        if len(before) != len(changed) or any(
            one is not other for one, other in zip(before, changed, strict=True)
        ):
            named = {company.name: company for company in changed}
            known = self._topology.model_copy(
                update={"sub_processors": {**self._topology.sub_processors, **named}}
            )
            self._known = changed, known
        return known


def _sort(
    fact: object,
    changed: list[SubProcessor],
    objections: set[str],
    closed: dict[str, PlacementReason],
) -> None:
    """Put what a value states where it belongs."""
    match fact:
        case SubProcessor():
            changed.append(fact)
        case str():
            objections.add(fact)
        case (str(name), PlacementReason() as reason):
            closed[name] = reason
        case tuple():
            for one in fact:
                _sort(one, changed, objections, closed)
        case _:
            pass


def stewards(topology: Topology, region: Region, on: date, *, but: str = "") -> Dimension:
    """Return all stewards active, then each in another state, or objected to.

    ``but``: a company that has dimensions of its own.
    """
    names = {steward.sub_processor for _, steward in region.stewards} - {but}
    states = {
        name: companies.states(topology.sub_processors[name], on).values for name in sorted(names)
    }
    active = tuple(found[0].fact for found in states.values())
    values = [Value("", active)]
    for name, (_, *others) in states.items():
        rest = tuple(one for one in active if one.name != name)
        values += [Value(state.words, (*rest, state.fact)) for state in others]
        values.append(Value(f"the tenant objects to {name}", (*active, name)))
    return Dimension(tuple(values))


def _any_number(names: Sequence[str], words: str, fact: Callable[[str], object]) -> Dimension:
    """Return any number of names, from the first one on and from the last one on."""
    ends = dict.fromkeys(
        part for n in range(1, len(names) + 1) for part in (tuple(names[:n]), tuple(names[-n:]))
    )
    return Dimension(
        (
            Value("", None),
            *(Value(f"{', '.join(part)} {words}", tuple(map(fact, part))) for part in ends),
        )
    )


def plain(placed: Placement) -> Placed:
    """Return a placement as the properties see it."""
    refusal = placed.refusal
    reasons: Collection[str] | None = None
    if refusal is not None:
        reasons = refusal.reasons if isinstance(refusal, Refused) else ("unknown_class",)
    return Placed(
        placed.backends,
        placed.lawful,
        placed.required,
        placed.verdicts,
        None if reasons is None else tuple(reasons),
    )


def edges_of(company: SubProcessor) -> Iterator[date]:
    """Yield the days on which the state of a company changes, and the days before these."""
    found = [company.since]
    if company.announced is not None:
        found.append(company.announced + timedelta(days=company.notice_days))
    if company.until is not None:
        found += [company.until, company.until - timedelta(days=company.exit_days)]
    for day in found:
        yield from (day, day - timedelta(days=1))
