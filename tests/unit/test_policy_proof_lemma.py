"""What is joint in a placement is a number alone, so regions of any size can be checked.

The verdict on a backend is that which it has when all other companies and backends are well. From
these verdicts, one at a time, follows the placement in any combination.
"""

import random
from collections.abc import Mapping
from datetime import date
from functools import cache
from itertools import product

import pytest

from regions.backends import BackendSpec
from regions.load import load_topology
from regions.model import DataClass, Region, SubProcessor, Topology
from storage.errors import Refused
from storage.model import Dpa, PlacementReason, TenantSpec
from storage.policy import Placement, decide_placement
from storage.policy.proof.cases.companies import states
from storage.policy.proof.dimensions import Dimension

TODAY = date(2026, 11, 28)
SHIPPED = load_topology()
HOME = SHIPPED.regions["eu-central-1"]
LONG_AGO = Dpa(signed=date(2020, 1, 1))
CLOSED = (
    PlacementReason.POSTURE_BAD,
    PlacementReason.POSTURE_UNKNOWN,
    PlacementReason.POSTURE_UNREADABLE,
)


def backend(number: int, company: str, **changes: object) -> BackendSpec:
    """A backend of a company."""
    changes |= {"name": f"b-{number}", "sub_processor": company}
    return HOME.backends[0].model_copy(update=changes)


def topology_of(companies: Mapping[str, SubProcessor], region: Region) -> Topology:
    """A topology with one region."""
    return SHIPPED.model_copy(
        update={"regions": {region.name: region}, "sub_processors": dict(companies)}
    )


class Case:
    """A region, the state of each company, the objections, and the backends that are closed."""

    def __init__(
        self,
        region: Region,
        companies: Mapping[str, SubProcessor],
        objections: set[str],
        closed: Mapping[str, PlacementReason],
        tenant: str = "any-tenant",
    ) -> None:
        self.region, self.companies = region, companies
        self.objections, self.closed, self.tenant = objections, closed, tenant

    def decide(self) -> Placement:
        """Decide it as it is."""
        tenant = TenantSpec(
            self.tenant, "any-account", self.region.name, "EU", agreements=(LONG_AGO,)
        )
        return decide_placement(
            topology_of(self.companies, self.region),
            tenant,
            DataClass.PROMPT,
            TODAY,
            self.closed,
            objections=self.objections,
        )

    def alone(self, company: str, name: str = "") -> Placement:
        """Decide it with one company, and one backend, as they are, and all others well."""
        well = {
            other: one if other == company else states_of(other).values[0].fact
            for other, one in self.companies.items()
        }
        closed = {one: why for one, why in self.closed.items() if one == name}
        return Case(self.region, well, self.objections & {company}, closed, self.tenant).decide()

    def predicted(self) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """Return backends, lawful ones, and whether it is refused, from verdicts one at a time."""
        opened, waiting = [], []
        for spec in self.region.backends:
            verdicts = self.alone(spec.sub_processor, spec.name).verdicts
            for verdict in (one for one in verdicts if one.backend == spec.name):
                if verdict.allowed:
                    opened.append(spec.name)
                elif verdict.reason is self.closed.get(spec.name):
                    waiting.append(spec.name)
        stewards = {steward.sub_processor for _, steward in self.region.stewards}
        against = (self.alone(name).refusal for name in stewards)
        barred = any(
            reason.startswith(("catalog_", "keys_", "backups_"))
            for refusal in against
            for reason in (refusal.reasons if isinstance(refusal, Refused) else ())
        )
        if barred or len(opened) < self.region.required:
            return (), (), True
        wanted = (*opened[: self.region.replicas], *waiting)[: self.region.replicas]
        return wanted, (*opened, *waiting), False

    def check(self) -> None:
        """Compare the prediction with the decision."""
        placed = self.decide()
        backends, lawful, refused = self.predicted()
        assert placed.backends == backends
        assert sorted(placed.lawful) == sorted(lawful)
        assert (placed.refusal is not None) is refused


def host(name: str) -> SubProcessor:
    """A company."""
    return SHIPPED.sub_processors["lindenhost"].model_copy(update={"name": name})


@cache
def states_of(name: str) -> Dimension:
    """The states of a company. The first, in which it is well, sets all that varies."""
    return states(host(name), TODAY)


def steward(name: str) -> dict[str, object]:
    """Make a company the steward of the region."""
    roles = {"catalog": HOME.catalog, "keys": HOME.keys, "backups": HOME.backups}
    return {role: one.model_copy(update={"sub_processor": name}) for role, one in roles.items()}


@pytest.mark.parametrize("required", [1, 2])
@pytest.mark.parametrize("runs_it", ["a", "s"])
def test_every_case_of_a_small_region(required: int, runs_it: str) -> None:
    """Three companies in every state, with and without objections; each backend open or closed."""
    specs = (backend(0, "a"), backend(1, "b"), backend(2, "a"))
    region = HOME.model_copy(
        update={"backends": specs, "replicas": 2, "required": required} | steward(runs_it)
    )
    names = ("a", "b", "s")
    every = [[one.fact for one in states_of(name).values] for name in names]
    tried = 0
    for found in product(*every):
        companies = dict(zip(names, found, strict=True))
        for chosen in product((False, True), repeat=5):
            against = {name for name, yes in zip(("a", "s"), chosen[:2], strict=True) if yes}
            shut = {
                spec.name: PlacementReason.POSTURE_BAD
                for spec, yes in zip(specs, chosen[2:], strict=True)
                if yes
            }
            Case(region, companies, against, shut).check()
            tried += 1
    assert tried == 5**3 * 2**5


def test_10_000_cases_of_large_regions() -> None:
    """Up to 12 backends of up to 8 companies, retired and dedicated ones, at any edge."""
    chance = random.Random(7)
    for _ in range(10_000):
        names = [f"c-{number}" for number in range(chance.randint(2, 8))]
        dimensions = {name: states_of(name) for name in names}
        companies = {
            name: chance.choice((*one.values[:1] * 9, *one.values, *one.edges)).fact
            for name, one in dimensions.items()
        }
        own = frozenset({"acme"})
        specs = tuple(
            backend(
                number,
                chance.choice(names),
                retires=chance.random() < 0.1,
                dedicated_to=own if chance.random() < 0.2 else frozenset(),
            )
            for number in range(chance.randint(2, 12))
        )
        replicas = chance.randint(1, len(specs))
        region = HOME.model_copy(
            update={
                "backends": specs,
                "replicas": replicas,
                "required": chance.randint(1, replicas),
                **steward(chance.choice(names)),
            }
        )
        objections = {name for name in names if chance.random() < 0.1}
        shut = {spec.name: chance.choice(CLOSED) for spec in specs if chance.random() < 0.2}
        tenant = chance.choice(("any-tenant", "acme"))
        Case(region, companies, objections, shut, tenant).check()
