"""Decide for any record, purpose and day whether the record may be used, and say every reason.

It opens nothing: ``may_open`` decides that, for one actor, at one moment. What this allows,
``may_open`` allows to an actor of the right kind, a person with a grant for it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from regions.model import DataClass, Purpose, Topology
from storage.model import Trait, utc
from storage.policy.access import AFTER_THE_END, AccessReason
from storage.policy.consent import InForce
from storage.policy.epochs import NOTHING_SAID, TrainingReason, training_rule
from storage.policy.grants import looked_into

UseReason = AccessReason | TrainingReason
"""Why a record may or may not be used."""


@dataclass(frozen=True, slots=True)
class Usable:
    """What a decision about the use of a record rests on.

    ``origin``: the UTC day on which its data came in. ``readable_until``: from its Term. ``erased``
    and ``held``: an erasure, a hold in force covers it. ``traits``: of its tenant. ``to_return``:
    that has no data processing agreement in force. ``consent``: to training.
    """

    data_class: DataClass
    origin: date
    readable_until: datetime | None
    erased: bool = False
    held: bool = False
    traits: frozenset[Trait] = frozenset()
    to_return: bool = False
    flagged: bool = False
    consent: InForce = NOTHING_SAID


def may_use(
    topology: Topology,
    record: Usable,
    purpose: Purpose,
    at: date,
    moment: datetime | None = None,
) -> tuple[UseReason, ...]:
    """Return every reason against using a record for a purpose on a UTC day, or ALLOWED alone.

    ``moment``: that of the day; None: its beginning.

    By the topology as it is, but for its epochs: training needs the rules of two days.
    """
    found = [
        *_of_record(record, purpose, at, moment or datetime.combine(at, time.min, UTC)),
        *_of_class(topology, record, purpose),
        *_of_purpose(topology, record, purpose, at),
    ]
    return tuple(dict.fromkeys(found)) or (AccessReason.ALLOWED,)


def _of_record(record: Usable, purpose: Purpose, at: date, moment: datetime) -> list[UseReason]:
    until = record.readable_until
    over = until is not None and moment >= utc(until)
    kept = purpose is Purpose.LEGAL  # a hold keeps what is erased and what has expired
    against: dict[UseReason, bool] = {
        TrainingReason.ORIGIN_AHEAD: at < record.origin,
        AccessReason.ERASED: record.erased and not kept,
        AccessReason.EXPIRED: over and not kept,
        AccessReason.NOT_HELD: kept and not record.held,
        AccessReason.FOR_RETURN_ALONE: record.to_return and purpose not in AFTER_THE_END,
    }
    return [reason for reason, applies in against.items() if applies]


def _of_class(topology: Topology, record: Usable, purpose: Purpose) -> list[UseReason]:
    rule = topology.classes.get(record.data_class)
    if purpose is Purpose.LEGAL:
        return []
    if rule is None:
        return [AccessReason.UNKNOWN_CLASS]
    return [] if purpose in rule.purposes else [AccessReason.PURPOSE_NOT_ALLOWED]


def _of_purpose(
    topology: Topology, record: Usable, purpose: Purpose, at: date
) -> tuple[UseReason, ...]:
    if purpose is Purpose.TRAIN:
        return _of_training(topology, record, at)
    if purpose is Purpose.ABUSE_INVESTIGATION and not looked_into(record.traits):
        return (AccessReason.NO_HUMAN_REVIEW,)
    return ()


def _of_training(topology: Topology, record: Usable, at: date) -> tuple[UseReason, ...]:
    kept_out = {AccessReason.HELD: record.held, AccessReason.FLAGGED: record.flagged}
    reasons = training_rule(topology, record.origin, at).reasons(record.consent)
    against = () if reasons == (TrainingReason.ALLOWED,) else reasons
    return (*(reason for reason, applies in kept_out.items() if applies), *against)
