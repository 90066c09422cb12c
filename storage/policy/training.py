"""Decide whether a record may be handed out for training, and what must not be used any more."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from regions.model import DataClass, Purpose, Topology
from storage.model import utc
from storage.policy.consent import InForce, Statement, consent_in_force
from storage.policy.epochs import TrainingReason, training_rule

CONSENT_AGE: Final = timedelta(seconds=2)
"""How old the facts may be on which a record is handed out for training."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a training read rests on, as the catalog had it at ``read``.

    ``run``: what it is for. ``said``: by the tenant, and by the subjects of its records.
    ``objections``: the companies that the tenant objects to. ``per_subject``: each is asked.
    """

    run: str
    said: Collection[Statement]
    read: datetime
    objections: frozenset[str] = frozenset()
    per_subject: bool = False

    @property
    def until(self) -> datetime:
        """The moment from which on the facts are too old."""
        return utc(self.read) + CONSENT_AGE

    def consent(
        self, data_class: DataClass, origin: date, subject: bytes | None, now: datetime
    ) -> InForce:
        """Return whether a consent to training is in force for a record."""
        return consent_in_force(
            self.said,
            data_class=data_class,
            purpose=Purpose.TRAIN,
            origin=origin,
            subject=subject,
            per_subject=self.per_subject,
            now=now,
        )


def against_training(topology: Topology, origin: date, consent: InForce, today: date) -> str | None:
    """Return why neither consent nor silence permits training, as a code; None: it is permitted.

    The epoch of the record and that of today must both permit it.
    """
    reasons = training_rule(topology, origin, today).reasons(consent)
    if reasons == (TrainingReason.ALLOWED,):
        return None
    # these say more than that nobody has said yes
    telling = (x for x in (TrainingReason.NO_SUBJECT, TrainingReason.OPTED_OUT) if x in reasons)
    return next(telling, reasons[0]).value


def refused_since(
    said: Iterable[Statement], *, data_class: DataClass, subject: bytes | None, at: datetime
) -> Statement | None:
    """Return a refusal that was recorded after a record was handed out at ``at``, and covers it.

    A later consent does not undo it: the run must not use what it had before.
    """
    later = (
        x
        for x in said
        if x.refuses
        and x.about(data_class, Purpose.TRAIN)
        and utc(x.recorded) >= utc(at)
        and (not x.subjects or subject in x.subjects)
    )
    return min(later, key=lambda x: x.recorded, default=None)
