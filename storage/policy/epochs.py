"""Decide by the epochs of a topology: to which one a record belongs, and what follows from that.

A record belongs to the epoch of its origin: the UTC day on which its data came in. That is the day
of its minting, or an earlier one for data from before Domicile.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from regions.model import DataClass, Epoch, Topology, TrainRule
from storage.policy.consent import ConsentReason, InForce


class TrainingReason(StrEnum):
    """Why a record may or may not be used for training, as far as epochs and consent say."""

    ALLOWED = "allowed"
    ORIGIN_AHEAD = "origin_ahead"  # the day of the use comes before the data
    ORIGIN_UNSTATED = "origin_unstated"  # the epoch of the record, or none, states no rule
    TODAY_UNSTATED = "today_unstated"  # the same of the day of the use
    NOT_OPTED_IN = "not_opted_in"
    OPTED_OUT = "opted_out"
    NO_SUBJECT = "no_subject"  # each subject is asked, and the record is about none


NOTHING_SAID: Final = InForce(ConsentReason.NOTHING_SAID)
"""Nothing of consent is recorded. What needs an opt-in is refused."""


@dataclass(frozen=True, slots=True)
class TrainingRule:
    """What training needs on one day for a record of one origin.

    ``of_origin`` and ``of_today``: the rules of the two epochs (None: unstated). Both must be met.
    """

    of_origin: TrainRule | None
    of_today: TrainRule | None
    ahead: bool = False

    @property
    def strictest(self) -> TrainRule | None:
        """The one that asks for more. None: one is unstated, and nothing is permitted."""
        if self.of_origin is None or self.of_today is None:
            return None
        stated = {self.of_origin, self.of_today}
        return TrainRule.OPTED_IN if TrainRule.OPTED_IN in stated else TrainRule.UNLESS_OPTED_OUT

    def reasons(self, consent: InForce = NOTHING_SAID) -> tuple[TrainingReason, ...]:
        """Return every reason against the use, or ALLOWED alone."""
        rules = {self.of_origin, self.of_today}
        against = {
            TrainingReason.ORIGIN_AHEAD: self.ahead,
            TrainingReason.ORIGIN_UNSTATED: self.of_origin is None,
            TrainingReason.TODAY_UNSTATED: self.of_today is None,
            TrainingReason.NOT_OPTED_IN: TrainRule.OPTED_IN in rules and not consent.opted_in,
            TrainingReason.OPTED_OUT: consent.opted_out,
            TrainingReason.NO_SUBJECT: consent.reason is ConsentReason.NO_SUBJECT,
        }
        found = tuple(reason for reason, applies in against.items() if applies)
        return found or (TrainingReason.ALLOWED,)


def epoch_of(topology: Topology, day: date) -> Epoch | None:
    """Return the epoch of a day: the last that has begun. None: the first one begins later."""
    return next((one for one in reversed(topology.epochs) if one.begins <= day), None)


def training_rule(topology: Topology, origin: date, today: date) -> TrainingRule:
    """Return what training needs today for a record of that origin: both epochs' rules.

    An epoch that states no rule permits nothing, and so does a day before the first epoch.
    """
    then, now = epoch_of(topology, origin), epoch_of(topology, today)
    return TrainingRule(
        then.train if then is not None else None,
        now.train if now is not None else None,
        ahead=origin > today,
    )


def ceiling_of(topology: Topology, data_class: DataClass, origin: date) -> int | None:
    """Return the most days that a record of that class and origin is kept. None: no ceiling."""
    epoch = epoch_of(topology, origin)
    return None if epoch is None else epoch.ceiling_days.get(data_class)
