"""What the cases leave out makes no difference: drawn at random, with a seed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from regions.load import load_topology
from regions.model import RECORD_CLASSES, DataClass, Purpose, Service, Topology
from storage.errors import DomicileError
from storage.model import ActorKind, TenantSpec, Trait
from storage.policy import (
    Authority,
    Openable,
    decide_placement,
    may_hand_over,
    may_open,
    retain,
)
from storage.policy.proof import families
from storage.policy.proof.cases import people
from storage.policy.proof.cases.companies import states
from storage.policy.proof.dimensions import Case
from storage.policy.proof.family import Family
from tests.support.rich_topology import rich_topology

TODAY = date(2026, 11, 28)
NOON = datetime.combine(TODAY, time(12), UTC)
SHIPPED = load_topology()


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Topology:
    """A topology that has everything."""
    return load_topology(rich_topology(Path(tmp_path_factory.mktemp("rich"))))


def draw(family: Family, chance: random.Random) -> Case:
    """Return any combination of values and edges: more than one edge at a time too."""
    return tuple(chance.choice((*one.values, *one.edges)) for one in family.dimensions)


def test_edges_may_be_combined(rich: Topology) -> None:
    """10,000 cases with any number of edges have no counterexample either."""
    chance = random.Random(8)
    every = families(rich, TODAY)

    for _ in range(10_000):
        family = chance.choice(every)
        case = draw(family, chance)
        assert list(family.judge(case)) == [], [value.words for value in case]


def tenants(chance: random.Random, topology: Topology) -> Iterator[TenantSpec]:
    """Yield a tenant, and others that differ from it in what placement does not read."""
    residency = chance.choice(list(topology.residencies))
    home = chance.choice(list(topology.regions))
    first = TenantSpec("any-tenant", "any-account", home, residency)
    yield first
    for number in range(3):
        yield replace(
            first,
            id=f"tenant-{number}",
            account=f"account-{number}",
            retention={DataClass.PROMPT: chance.randrange(30)},
            dedicated=chance.random() < 0.5,
            traits=frozenset(one for one in Trait if one != Trait.PHI and chance.random() < 0.5),
        )


def elsewhere(topology: Topology, home: str, chance: random.Random) -> Topology:
    """Return the topology with any states of the companies that the home does not use."""
    region = topology.regions[home]
    used = {steward.sub_processor for _, steward in region.stewards}
    used |= {spec.sub_processor for spec in region.backends}
    changed = {}
    for name, company in topology.sub_processors.items():
        if name not in used:
            dimension = states(company, TODAY)
            changed[name] = chance.choice((*dimension.values, *dimension.edges)).fact
    return topology.model_copy(update={"sub_processors": topology.sub_processors | changed})


def test_a_placement_does_not_read_what_is_not_varied(rich: Topology) -> None:
    """Names, retention, traits, and the companies of other regions."""
    chance = random.Random(9)
    for topology in (SHIPPED, rich) * 250:
        data_class = chance.choice(list(DataClass))
        found = set()
        for tenant in tenants(chance, topology):
            other = elsewhere(topology, tenant.home, chance)
            placed = decide_placement(other, tenant, data_class, TODAY, {}, objections=())
            reasons = str(placed.refusal and vars(placed.refusal))
            found.add((placed.backends, placed.lawful, placed.verdicts, reasons))
        assert len(found) == 1


def test_classes_with_one_rule_are_one(rich: Topology) -> None:
    """A prompt and a completion of the example: no decision tells them apart."""
    chance = random.Random(10)
    one, other = DataClass.PROMPT, DataClass.COMPLETION
    assert SHIPPED.classes[one].model_copy(update={"name": other}) == SHIPPED.classes[other]
    for _ in range(500):
        tenant = replace(next(tenants(chance, SHIPPED)), retention={})
        company = chance.choice(list(SHIPPED.sub_processors))
        placed = [
            decide_placement(SHIPPED, tenant, name, TODAY, {}, objections=()).lawful
            for name in (one, other)
        ]
        handed = [
            may_hand_over(SHIPPED, tenant, name, company, NOON, objections=()).reason
            for name in (one, other)
        ]
        assert placed[0] == placed[1]
        assert handed[0] == handed[1]
        terms = [retain(SHIPPED, tenant, name, NOON) for name in (one, other)]
        assert terms[0] == terms[1]


def test_an_opening_does_not_read_what_is_not_varied(rich: Topology) -> None:
    """A tenant's own service has no grant; a machine has no grant; a record's name is any."""
    chance = random.Random(11)
    for _ in range(2000):
        kind = chance.choice((ActorKind.CUSTOMER, ActorKind.MACHINE))
        why: Purpose | Service = chance.choice((*Purpose, *Service))
        data_class = chance.choice(list(DataClass))
        found = set()
        for number in range(4):
            grants = people.grants(Purpose.LEGAL, NOON)
            grant, before = chance.choice((*grants.values, *grants.edges)).fact
            authority = Authority(
                replace(grant, until=NOON + timedelta(days=1)) if grant else None,
                people.entry(kind, "EU", TODAY),
                frozenset({"EU"}),
                frozenset(trait for trait in Trait if chance.random() < 0.5),
                before,
            )
            record = Openable(
                f"tenant-{number}", bytes([number]) * 16, data_class, None, fenced=False
            )
            actor = people.actor(kind, "EU")
            access = may_open(
                rich, record, actor, why, now=NOON, login_of_person=False, authority=authority
            )
            found.add((access.reason, access.permit and access.permit.until))
        assert len(found) == 1


def test_a_term_does_not_read_what_is_not_varied(rich: Topology) -> None:
    """Home, residency, agreements and names of a tenant say nothing of how long a record lives."""
    chance = random.Random(12)
    for topology in (SHIPPED, rich) * 100:
        for data_class in RECORD_CLASSES:
            found = set()
            for tenant in tenants(chance, topology):
                try:
                    found.add(
                        str(retain(topology, replace(tenant, retention={}), data_class, NOON))
                    )
                except DomicileError as error:
                    found.add(str(error))
            assert len(found) == 1
