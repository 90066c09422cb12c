"""Whether a record may be used for a purpose on a day, and what the answer rests on."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from regions.model import Purpose
from storage.model.actors import ActorKind
from storage.model.ids import RecordId
from storage.model.records import Origin


@dataclass(frozen=True, slots=True)
class EpochFacts:
    """What the epoch of a day states. Without an epoch, or what it does not state, is None.

    ``begins``: its first day. ``train``: its rule for training. ``ceiling_days``: the most days
    that a record of the class and of this epoch is kept.
    """

    begins: date | None
    train: str | None
    ceiling_days: int | None


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """What is known of consent to training with a record, and the statement that decides it.

    ``said``: a code of ``storage.policy``. ``wording``: SHA-256 of the text consented to.
    """

    said: str
    statement: UUID | None
    given: datetime | None
    wording: str | None


@dataclass(frozen=True, slots=True)
class PurposeExplanation:
    """Whether a record may be used for a purpose on a UTC day, with all reasons and facts.

    ``reasons``: codes of ``storage.policy``; ``allowed`` alone if it may. ``openers``: the kinds of
    actors who then open it; a person needs a ``grant`` too. ``origin_date``: the day on which its
    data came in; ``taken_from`` is for data from before Domicile. ``epoch`` is that of its origin,
    ``epoch_then`` that of the day. ``purposes``: those of its class. ``consent``: to training, on
    that day. ``to_return``: no data processing agreement is in force, so it is only returned.
    """

    id: RecordId
    purpose: Purpose
    at: date
    allowed: bool
    reasons: tuple[str, ...]
    openers: tuple[ActorKind, ...]
    grant: bool
    origin_date: date
    taken_from: Origin | None
    epoch: EpochFacts
    epoch_then: EpochFacts
    purposes: tuple[Purpose, ...]
    readable_until: datetime | None
    deadline: datetime | None
    erased: bool
    held: bool
    flagged: bool
    to_return: bool
    consent: ConsentFacts
