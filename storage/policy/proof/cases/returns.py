"""Cases of an agreement to process data that is not in force."""

from collections.abc import Iterator
from datetime import date

from regions.model import Topology
from storage.model import TenantSpec
from storage.policy.agreements import for_return_alone
from storage.policy.proof.cases import tenants
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.agreements import of_return


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield each residency with each state of the agreement, beside one of another kind."""
    home = next(iter(topology.regions))

    def judge(case: Case) -> Iterator[Violation]:
        residency, (made, state), (beside, _) = (value.fact for value in case)
        spec = TenantSpec("any-tenant", "any-account", home, residency, agreements=(*made, *beside))
        alone = for_return_alone(topology, spec, today)
        return of_return(topology.residencies.get(residency), state, alone=alone)

    names = (*topology.residencies, tenants.NOWHERE)
    dpa = tenants.agreements("dpa", today)
    other = tenants.agreements("enterprise", today)
    dimensions = (
        Dimension(tuple(Value(f"residency {name}", name) for name in names)),
        Dimension((*dpa.values, *dpa.edges)),
        other,
    )
    yield Family("return alone", dimensions, frozenset({Property.RETURN, Property.USABLE}), judge)
