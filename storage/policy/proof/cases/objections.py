"""Cases of objecting to a company, for each home region and each company.

Of the other hosts one at a time is in another state, or any number has ended: what is joint is how
many places are left.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from regions.model import Region, SubProcessor, Topology
from storage.model import ObjectionEffect, TenantSpec
from storage.policy.objection import may_object
from storage.policy.proof.cases import companies, tenants
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.objections import Facts, Told, of_objection

_PROPERTIES = frozenset({Property.OBJECTION, Property.REASONS, Property.USABLE})


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each region."""
    for region in topology.regions.values():
        for name in (*topology.sub_processors, tenants.NOWHERE):
            yield _of_company(topology, region, name, today)


def _of_company(topology: Topology, region: Region, name: str, today: date) -> Family:
    def judge(case: Case) -> Iterator[Violation]:
        residency, tenant, traits, state, others, before = (value.fact for value in case)
        changed: dict[str, SubProcessor] = {one.name: one for one in (*state, *others)}
        known = topology.model_copy(
            update={"sub_processors": {**topology.sub_processors, **changed}}
        )
        asked = topology.residencies.get(residency)
        phi = bool(traits) or (asked is not None and "baa" in asked.agreements)
        facts = Facts(known, region, tenant, phi, name, before, today)
        spec = TenantSpec(tenant, "any-account", region.name, residency, traits=traits)
        decided = may_object(known, spec, name, before, today)
        return of_objection(facts, _told(decided.effect), decided.reason)

    hosts = tuple(dict.fromkeys(spec.sub_processor for spec in region.backends))
    others = [host for host in hosts if host != name]
    dimensions = (
        _asking(topology),
        tenants.owners(region),
        tenants.PHI,
        _states(topology, name, today),
        _hosts(topology, others, today),
        Dimension(tuple(_earlier(name, others))),
    )
    return Family(f"objections in {region.name} to {name}", dimensions, _PROPERTIES, judge)


def _told(effect: ObjectionEffect | None) -> Told | None:
    if effect is None:
        return None
    return Told(effect.places, effect.replicas, effect.due, effect.too_few_from)


def _asking(topology: Topology) -> Dimension:
    """Return a residency that asks for an agreement under HIPAA, one that does not, and none."""
    found: dict[bool, str] = {}
    for one in topology.residencies.values():
        found.setdefault("baa" in one.agreements, one.name)
    return Dimension(tuple(Value(f"residency {n}", n) for n in (*found.values(), tenants.NOWHERE)))


def _states(topology: Topology, name: str, today: date) -> Dimension:
    """Return the company itself: nothing is counted there, and of its dates one is told."""
    company = topology.sub_processors.get(name)
    if company is None:
        return Dimension((Value("", ()),))
    found = companies.states(company, today)
    first, *others = (Value(one.words, (one.fact,)) for one in (*found.values, *found.edges))
    return Dimension((first,), tuple(others))


def _hosts(topology: Topology, names: list[str], today: date) -> Dimension:
    """Return all other hosts active, one in another state, any number that end or have ended."""
    dimensions = {name: companies.states(topology.sub_processors[name], today) for name in names}
    active = {name: found.values[0].fact for name, found in dimensions.items()}

    def but(words: str, changed: Mapping[str, SubProcessor]) -> Value:
        return Value(words, tuple((active | dict(changed)).values()))

    values, edges = [but("", {})], []
    for name, found in dimensions.items():
        values += [but(state.words, {name: state.fact}) for state in found.values[1:]]
        edges += [but(state.words, {name: state.fact}) for state in found.edges]
    for number in range(1, len(names) + 1):
        some, listed = names[:number], ", ".join(names[:number])
        ended = {name: dimensions[name].values[3].fact for name in some}
        ending = {name: _ending(active[name], place, today) for place, name in enumerate(some)}
        values.append(but(f"{listed} have ended", ended))
        values.append(but(f"{listed} end one after another", ending))
    for name in names:
        began = {one: found.edges[0].fact for one, found in dimensions.items() if one != name}
        values.append(
            but(
                f"{name} is leaving, others begin today",
                began | {name: _leaving(active[name], today)},
            )
        )
    return Dimension(tuple(values), tuple(edges))


def _leaving(company: SubProcessor, today: date) -> SubProcessor:
    until = today + timedelta(days=5)
    return company.model_copy(update={"until": until, "exit_days": 10})


def _ending(company: SubProcessor, place: int, today: date) -> SubProcessor:
    until = today + timedelta(days=40 + place)
    return company.model_copy(update={"until": until, "exit_days": 10 * (place % 2)})


def _earlier(name: str, others: list[str]) -> Iterator[Value]:
    yield Value("", frozenset[str]())
    yield Value("the tenant objects to it already", frozenset({name}))
    for other in others:
        yield Value(f"the tenant objects to {other}", frozenset({other}))
    yield Value("the tenant objects to all hosts", frozenset(others))
