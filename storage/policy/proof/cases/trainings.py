"""Cases of training: the epochs of a record and of the day of its use, and consent."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from regions.model import Topology
from storage.policy.consent import ConsentReason, InForce
from storage.policy.epochs import training_rule
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.epochs import Facts, of_training

_DAY = timedelta(days=1)


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield every pair of epochs, with consent and without."""

    def judge(case: Case) -> Iterator[Violation]:
        origin, day, known = (value.fact for value in case)
        decided = training_rule(topology, origin, day).reasons(InForce(known))
        return of_training(Facts(topology.epochs, origin, day, known.value), decided)

    days = tuple(edges(topology, today))
    dimensions = (
        Dimension(tuple(Value(f"a record of {day}", day) for day in days)),
        Dimension(tuple(Value(f"used on {day}", day) for day in days)),
        Dimension(
            (
                Value("the customer has opted in", ConsentReason.OPTED_IN),
                Value("", ConsentReason.NOTHING_SAID),
                Value("the opt-in does not cover it", ConsentReason.NOT_COVERED),
                Value("the customer has opted out", ConsentReason.OPTED_OUT),
                Value("the subject has opted out", ConsentReason.SUBJECT_OPTED_OUT),
                Value("it is about no subject, and each is asked", ConsentReason.NO_SUBJECT),
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
