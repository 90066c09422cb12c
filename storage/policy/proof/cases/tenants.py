"""What is known of a tenant when something of it is stored or handed over."""

from collections.abc import Hashable, Iterable
from datetime import date, timedelta
from typing import get_args

from regions.model import (
    PHI_AGREEMENTS,
    RECORD_CLASSES,
    AgreementKind,
    DataClass,
    Region,
    Residency,
    Topology,
)
from storage.model import Agreement, Trait
from storage.policy.proof.dimensions import Dimension, Value

NOWHERE = "nowhere"
"""The name of no region and of no residency. A residency has upper-case letters."""

_DAY = timedelta(days=1)


def residencies(topology: Topology, home: Region) -> Dimension:
    """Return the residencies that differ in what they permit, those with the home in them first."""
    found: dict[Hashable, Residency] = {}
    for one in topology.residencies.values():
        regions = frozenset(
            r.jurisdiction for r in topology.regions.values() if r.jurisdiction in one.jurisdictions
        )
        companies = frozenset(
            c.name for c in topology.sub_processors.values() if c.jurisdictions <= one.jurisdictions
        )
        found.setdefault((regions, companies, one.agreements), one)
    ordered = sorted(found.values(), key=lambda one: home.jurisdiction not in one.jurisdictions)
    return Dimension(
        (
            *(Value(f"residency {one.name}", one.name) for one in ordered),
            Value("a residency that the topology lacks", NOWHERE),
        )
    )


def record_classes(topology: Topology) -> Dimension:
    """Return a class of records; as edges a flag, and a class that the topology lacks.

    For decisions that read no rule of a class.
    """
    known = [name for name in RECORD_CLASSES if name in topology.classes]
    absent = [name for name in RECORD_CLASSES if name not in topology.classes]
    first, *others = (*known[:1], *absent[:1], DataClass.FLAG)
    return Dimension(_named(first), _named(*others))


def ruled_classes(topology: Topology) -> Dimension:
    """Return the classes of records whose rules differ, and one that is not there; as edge a flag.

    For decisions that read the rule of a class.
    """
    rules: dict[Hashable, DataClass] = {}
    for name in RECORD_CLASSES:
        rule = topology.classes.get(name)
        rules.setdefault(rule and rule.model_copy(update={"name": DataClass.FLAG}), name)
    known = sorted(rules.items(), key=lambda found: found[0] is None)
    return Dimension(_named(*(name for _, name in known)), _named(DataClass.FLAG))


def _named(*names: DataClass) -> tuple[Value, ...]:
    return tuple(Value(f"class {name}", name) for name in names)


SERVICES = Dimension((Value("", "api"), Value("a tenant of another service", "chat")))


def agreements(kind: AgreementKind, on: date) -> Dimension:
    """Return whether an agreement is in force on a day: what was signed, and what is amiss."""

    def signed(words: str, state: str | None, *spans: tuple[date, date | None]) -> Value:
        long_ago = on - 500 * _DAY
        made = tuple(Agreement(kind, long_ago, until, since) for since, until in spans)
        return Value(f"the {kind} {words}" if words else "", (made, state))

    ago = on - 400 * _DAY
    return Dimension(
        (
            signed("", None, (ago, None)),
            signed("was never signed", "missing"),
            signed("begins later", "not_yet", (on + 30 * _DAY, None)),
            signed("has ended", "expired", (ago, on - 30 * _DAY)),
        ),
        (
            signed("begins today", None, (on, None)),
            signed("begins tomorrow", "not_yet", (on + _DAY, None)),
            signed("ends tomorrow", None, (ago, on + _DAY)),
            signed("ends today", "expired", (ago, on)),
            signed("was renewed", None, (ago, on - 30 * _DAY), (on - 29 * _DAY, None)),
            signed("is renewed later", "not_yet", (ago, on), (on + _DAY, None)),
        ),
    )


def always(kind: AgreementKind) -> Dimension:
    """Return an agreement that is in force on every day."""
    return Dimension((Value("", ((Agreement(kind, date.min),), None)),))


def kinds(rules: Iterable[Residency]) -> tuple[AgreementKind, ...]:
    """Return the kinds of agreements that any residency, or the trait phi, requires."""
    required = PHI_AGREEMENTS.union(*(one.agreements for one in rules))
    return tuple(kind for kind in get_args(AgreementKind) if kind in required)


PHI = Dimension(
    (
        Value("the tenant has the trait phi", frozenset({Trait.PHI})),
        Value("", frozenset[Trait]()),
    )
)


def owners(region: Region) -> Dimension:
    """Return a tenant without backends of its own, and one of each group that has the same ones."""
    groups: dict[frozenset[str], str] = {}
    for tenant in sorted({t for spec in region.backends for t in spec.dedicated_to}):
        own = frozenset(spec.name for spec in region.backends if tenant in spec.dedicated_to)
        groups.setdefault(own, tenant)
    return Dimension(
        (
            Value("", "any-tenant"),
            *(Value(f"the tenant {name}, which has its own", name) for name in groups.values()),
        )
    )
