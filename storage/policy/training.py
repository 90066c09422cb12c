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
    said: Iterable[Statement],
    *,
    data_class: DataClass,
    origin: date,
    subject: bytes | None,
    at: datetime,
) -> Statement | None:
    """Return a refusal that covers a record, and that its hand-out at ``at`` did not know.

    That is one that was recorded later, or that no consent of its holder had undone by then: with
    it the record would not have been handed out. When it was recorded is noted before it comes into
    force, so that alone does not tell. A later consent does not undo it: the run must not use what
    it had before.
    """
    about = [
        x
        for x in said
        if x.about(data_class, Purpose.TRAIN) and (not x.subjects or subject in x.subjects)
    ]
    consents = [
        x for x in about if x.covers_from and x.covers_from <= origin and utc(x.given) <= utc(at)
    ]
    unknown = (
        x
        for x in about
        if x.refuses
        and (
            utc(x.recorded) >= utc(at)
            or not any(y.same_holder(x) and y.given > x.given for y in consents)
        )
    )
    return min(unknown, key=lambda x: x.recorded, default=None)
