"""Go through all cases of a topology, and say for each property whether it holds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from regions.model import Topology
from storage.policy.proof.cases import (
    destructions,
    exits,
    granting,
    handovers,
    objections,
    openings,
    placements,
    recordings,
    retentions,
    returns,
    trainings,
)
from storage.policy.proof.dimensions import combinations, given
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation

Tell = Callable[[int], object]
"""Called now and then with the number of cases so far."""

_OFTEN = 1000  # cases


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A case that violates a property: how, what the case states, and which family has it."""

    says: str
    given: tuple[str, ...]
    family: str


@dataclass(frozen=True, slots=True)
class Result:
    """In how many cases a property was tried, in how many it is violated, and the first of them."""

    property: Property
    cases: int
    violated: int
    counterexample: Counterexample | None


def families(topology: Topology, today: date) -> tuple[Family, ...]:
    """Return all cases of a topology, in the order in which they are tried."""
    return (
        *destructions.families(today),
        *trainings.families(topology, today),
        *returns.families(topology, today),
        *recordings.families(topology, today),
        *exits.families(today),
        *objections.families(topology, today),
        *retentions.families(topology, today),
        *granting.families(topology, today),
        *handovers.families(topology, today),
        *placements.families(topology, today),
        *openings.families(topology, today),
    )


def counterexamples(family: Family) -> Iterator[tuple[Violation, Counterexample]]:
    """Yield each violation in a family."""
    for case in combinations(family.dimensions):
        for found in family.judge(case):
            yield found, Counterexample(found.says, given(case), family.about)


def check(of: Sequence[Family], tell: Tell) -> tuple[Result, ...]:
    """Try every case. Return a result for each property that any of them has."""
    first: dict[Property, Counterexample] = {}
    violated = dict.fromkeys(Property, 0)
    tried = 0
    for family in of:
        for case in combinations(family.dimensions):
            tried += 1
            if tried % _OFTEN == 0:
                tell(tried)
            for found in family.judge(case):
                violated[found.violated] += 1
                example = Counterexample(found.says, given(case), family.about)
                first.setdefault(found.violated, example)
    tell(tried)
    cases = {one: sum(f.size for f in of if one in f.properties) for one in Property}
    return tuple(
        Result(one, cases[one], violated[one], first.get(one)) for one in Property if cases[one]
    )
