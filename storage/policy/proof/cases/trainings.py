"""Cases of training: the epochs of a record and of the day of its use, and consent."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from regions.model import Topology
from storage.policy.epochs import Consent, training_rule
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.epochs import Facts, of_training

_DAY = timedelta(days=1)


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield every pair of epochs, with consent and without."""

    def judge(case: Case) -> Iterator[Violation]:
        origin, day, (opted_in, opted_out) = (value.fact for value in case)
        decided = training_rule(topology, origin, day).reasons(Consent(opted_in, opted_out))
        facts = Facts(topology.epochs, origin, day, opted_in, opted_out)
        return of_training(facts, decided)

    days = tuple(edges(topology, today))
    dimensions = (
        Dimension(tuple(Value(f"a record of {day}", day) for day in days)),
        Dimension(tuple(Value(f"used on {day}", day) for day in days)),
        Dimension(
            (
                Value("the customer has opted in", (True, False)),
                Value("", (False, False)),
                Value("the customer has opted out", (False, True)),
                Value("an opt-in and an opt-out cover it", (True, True)),
            )
        ),
    )
    properties = frozenset({Property.TRAINING, Property.REASONS, Property.USABLE})
    yield Family("training", dimensions, properties, judge)


def edges(topology: Topology, today: date) -> Iterable[date]:
    """Return the first days of the epochs and the days before these, and days around today."""
    found = {today - _DAY, today, today + _DAY}
    for epoch in topology.epochs:
        found |= {epoch.begins - _DAY, epoch.begins, epoch.begins + _DAY}
    return sorted(found)
