"""Decide how long a record is kept, which ids a write accepts, and which days need partitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from regions.model import (
    LONGEST_RETENTION_DAYS,
    RECORD_CLASSES,
    WRITE_WINDOW,
    Bounds,
    ClassRule,
    DataClass,
    Topology,
)
from regions.words import begun_with_article, with_article
from storage.errors import InvalidRequest, OriginRefused, StaleId, UnknownClass
from storage.model import RecordId, TenantSpec, utc
from storage.policy.epochs import ceiling_of, epoch_of

_MINT = "Mint a new id for this write."
_AHEAD = 14  # days with a partition beyond the longest retention of a class
_ALARM = 3  # fewer days than this mean that no worker makes partitions


class RetentionReason(StrEnum):
    """What determines how long a record is kept."""

    CLASS_RETENTION = "class_retention"
    TENANT_RETENTION = "tenant_retention"
    CEILING = "ceiling"  # the class has a shorter ceiling than the tenant's retention
    EPOCH_CEILING = "epoch_ceiling"  # the epoch of the record has a shorter one
    UNTIL_DELETED = "until_deleted"
    EXPIRY_DAY = "expiry_day"  # the record exists, and its expiry day is fixed
    ZERO_RETENTION = "zero_retention"
    TOO_SHORT = "too_short"  # the record would never be readable
    FLOOR = "floor"  # the class has a longer floor than the tenant's retention
    RECORD_RETENTION = "record_retention"  # the record has fewer days than its tenant


class OriginReason(StrEnum):
    """Why data from before Domicile is not taken in."""

    ORIGIN_AHEAD = "origin_ahead"  # its origin date is later than today
    PAST_ITS_END = "past_its_end"  # its retention is over
    NEVER_READABLE = "never_readable"  # too little of it is left to read the record


@dataclass(frozen=True, slots=True)
class Term:
    """How long a record is kept. Moments are in UTC.

    ``stored``: False if nothing may be written anywhere. ``readable_until``: the first moment at
    which the record cannot be read. ``deadline``: the moment by which its bytes are gone. A stored
    record without these two is kept until it is deleted.
    """

    stored: bool
    expiry_day: date | None
    readable_until: datetime | None
    deadline: datetime | None
    reason: RetentionReason


def retain(
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    written: datetime,
    origin: date | None = None,
) -> Term:
    """Return the term of a record of that class that is written at ``written``.

    Its deadline is never later than ``written`` plus the retention, nor than the ceiling of its
    epoch allows. ``origin``: the UTC day on which data from before Domicile came in; retention and
    ceiling count from its beginning.

    Raises UnknownClass, NaiveDatetime if ``written`` has no time zone, and OriginRefused.
    """
    moment = utc(written)
    if origin is not None and origin > moment.date():
        raise refused(OriginReason.ORIGIN_AHEAD, "The origin date is in the future.")
    days, reason = within_ceilings(topology, tenant.retention, data_class, origin or moment.date())
    if days is None:
        return _kept(reason)
    if days <= 0:
        return _nothing(RetentionReason.ZERO_RETENTION)
    begins = moment if origin is None else midnight(origin)
    end, what = begins + timedelta(days=days), f"{begun_with_article(data_class)} of {origin}"
    if end <= moment:
        message = f"{what} is past its end: it is kept for {days} days."
        raise refused(OriginReason.PAST_ITS_END, message)
    day = expiry_day(begins, days, topology.bounds)
    if day > moment.date():
        return until_day(day, topology.bounds, reason)
    if origin is None:
        return _nothing(RetentionReason.TOO_SHORT)
    message = f"{what} could never be read: its bytes must be gone by {end}."
    raise refused(OriginReason.NEVER_READABLE, message)


def refused(reason: OriginReason, message: str) -> OriginRefused:
    """Return the error for data from before Domicile that is not taken in."""
    return OriginRefused(message, reasons=(reason,))


def term_of(day: date | None, bounds: Bounds) -> Term:
    """Return the term of an existing record by its expiry day (None: kept until deleted)."""
    if day is None:
        return _kept(RetentionReason.UNTIL_DELETED)
    return until_day(day, bounds, RetentionReason.EXPIRY_DAY)


def accept_id(
    topology: Topology,
    tenant: TenantSpec,
    record_id: RecordId,
    now: datetime,
    error: timedelta,
    *,
    origin: date | None = None,
) -> Term:
    """Return the term of a record that is written now under that id.

    An id names one partition for ever, so the record expires on the id's own day. An id is accepted
    from its minting, with the day that the retention of now gives or an earlier one, until its
    write window ends or its day begins. The retention counts from the minting, as it does when the
    record is read: what is accepted has not ended. ``error``: how far the clock that minted the id
    may be ahead of the one that gave ``now``. ``origin``: as for ``retain``.

    Raises UnknownClass, OriginRefused, and StaleId if the id is older than the write window, comes
    from the future, or has a day that has begun, is earlier than the floor of its class, or is
    later than the retention allows now.
    """
    moment = counts_from(record_id, now, error)
    term = retain(topology, tenant, record_id.data_class, moment, origin)
    last = _last_day(topology, tenant, record_id, term, origin) if term.stored else None
    return term_under(topology, record_id, term, last, moment, origin)


def counts_from(record_id: RecordId, now: datetime, error: timedelta) -> datetime:
    """Return the moment at which a write under that id counts as made: see ``accept_id``.

    Raises StaleId if the id is older than the write window or comes from the future.
    """
    moment = utc(now)
    if too_old(record_id, moment):
        raise StaleId("The id was minted more than a day ago.", advice=_MINT)
    if record_id.minted > moment + error:
        raise StaleId("The id was minted in the future.", advice=f"Synchronize the clocks. {_MINT}")
    # Just before midnight, a clock that is ahead mints ids for the next day. They are good.
    return max(moment, utc(record_id.minted))


def term_under(  # noqa: PLR0917 - what ``accept_id`` takes, and what it found
    topology: Topology,
    record_id: RecordId,
    term: Term,
    last: date | None,
    moment: datetime,
    origin: date | None = None,
) -> Term:
    """Return the term of a record under its id, given what ``retain`` gives at that moment.

    ``last``: the last day that the id may have; None: it needs none. Raises StaleId for a later
    day, for one that has begun, and for one that comes before the floor is over.
    """
    if not term.stored:
        return term
    if record_id.day is None:
        if last is None:
            return term
        raise StaleId("Retention was switched on after the id was minted.", advice=_MINT)
    later = last is not None and record_id.day > last
    if later and origin is not None:
        raise StaleId("The id was minted for a later origin date, or for none.", advice=_MINT)
    if later:
        raise StaleId("Retention was shortened after the id was minted.", advice=_MINT)
    if record_id.day <= moment.date():
        raise StaleId("The id's expiry day has begun.", advice=_MINT)
    floor = _rule(topology, record_id.data_class).floor_days
    begins = utc(record_id.minted) if origin is None else midnight(origin)
    if floor is not None and midnight(record_id.day) < begins + timedelta(days=floor):
        message = f"The id ends before the floor of {floor} days is over: was it minted for an "
        raise StaleId(f"{message}older origin date, or the floor raised since?", advice=_MINT)
    own = last is None or record_id.day < last
    reason = RetentionReason.RECORD_RETENTION if own else term.reason
    return until_day(record_id.day, topology.bounds, reason)


def _last_day(
    topology: Topology, tenant: TenantSpec, record_id: RecordId, term: Term, origin: date | None
) -> date | None:
    """Return the last day that an id may have, by its minting and by now; None: it needs none."""
    if origin is not None:
        return term.expiry_day
    minted = utc(record_id.minted)
    days, _ = within_ceilings(topology, tenant.retention, record_id.data_class, minted.date())
    by_minting = None if days is None else expiry_day(minted, days, topology.bounds)
    return min((day for day in (term.expiry_day, by_minting) if day is not None), default=None)


def too_old(record_id: RecordId, now: datetime) -> bool:
    """Whether the id's write window is over. A fence that covers the id may be pruned by then."""
    return record_id.minted < utc(now) - WRITE_WINDOW


def check_retention(topology: Topology, data_class: DataClass, days: int) -> None:
    """Raise UnknownClass or InvalidRequest unless a tenant may set that retention."""
    rule = _rule(topology, data_class)
    most = LONGEST_RETENTION_DAYS if rule.ceiling_days is None else rule.ceiling_days
    if days < 0 or days > most:
        raise InvalidRequest(
            f"A retention of {days} days is out of range for {rule.name}.",
            advice=f"Use 0 (nothing is stored) to {most} days.",
        )
    if rule.floor_days is not None and days < topology.bounds.least(rule.floor_days):
        least = topology.bounds.least(rule.floor_days)
        raise InvalidRequest(
            f"A retention of {days} days is below the floor of {rule.name}: it is kept for "
            f"{rule.floor_days} days at least.",
            advice=f"Use {least} days or more.",
        )
    if not topology.bounds.allow(days):
        hours = topology.bounds.purge_hours
        raise InvalidRequest(
            f"A retention of {days} days leaves no time to read {with_article(rule.name)}.",
            advice=f"Use 0 (nothing is stored), or at least {hours} hours and one day.",
        )


def check_epoch(
    topology: Topology, wanted: Mapping[DataClass, int], own: Mapping[DataClass, int], today: date
) -> None:
    """Raise InvalidRequest if a tenant would set more days than the epoch in force allows.

    ``own``: what the tenant has set. That may stay, and is bound by the ceiling all the same.
    """
    for data_class, days in wanted.items():
        epoch = epoch_of(topology, today)
        ceiling = ceiling_of(topology, data_class, today)
        if epoch is None or ceiling is None or days <= ceiling or own.get(data_class) == days:
            continue
        raise InvalidRequest(
            f"A retention of {days} days is above the ceiling of the epoch of {epoch.begins} for "
            f"{data_class}.",
            advice=f"Use 0 (nothing is stored) to {ceiling} days: epochs.toml says so.",
        )


def horizon_wanted(topology: Topology, today: date) -> date:
    """Return the last day that should have a partition."""
    return today + timedelta(days=_longest(topology) + _AHEAD)


def horizon_alarm(topology: Topology, today: date, horizon: date | None) -> bool:
    """Whether records may soon lack a partition, given the last day that has one."""
    return horizon is None or horizon < today + timedelta(days=_longest(topology) + _ALARM)


def midnight(day: date) -> datetime:
    """Return the beginning of a UTC day."""
    return datetime.combine(day, time.min, UTC)


def expiry_day(begins: datetime, days: int, bounds: Bounds) -> date:
    """Return the day at whose beginning a record that is kept for ``days`` becomes unreadable."""
    return (begins + timedelta(days=days) - bounds.purge).date()


def within_ceilings(
    topology: Topology, own: Mapping[DataClass, int], data_class: DataClass, origin: date
) -> tuple[int | None, RetentionReason]:
    """Return the days of ``retention_of``, but no more than the epoch of the record allows."""
    days, reason = retention_of(topology, own, data_class)
    ceiling = ceiling_of(topology, data_class, origin)
    if ceiling is not None and (days is None or days > ceiling):
        return ceiling, RetentionReason.EPOCH_CEILING
    return days, reason


def retention_of(
    topology: Topology, own: Mapping[DataClass, int], data_class: DataClass
) -> tuple[int | None, RetentionReason]:
    """Return the days in force today, and the reason. ``own``: what the tenant set.

    None: until deleted. A lowered ceiling and a raised floor also bind tenants that were created
    before. Raises UnknownClass.
    """
    rule = _rule(topology, data_class)
    days = own.get(data_class)
    if days is not None and rule.floor_days is not None:
        least = topology.bounds.least(rule.floor_days)
        if days < least:
            return least, RetentionReason.FLOOR
    if days is None and rule.retention_days is None:
        return None, RetentionReason.UNTIL_DELETED
    if days is None:
        return rule.retention_days, RetentionReason.CLASS_RETENTION
    if rule.ceiling_days is not None and days > rule.ceiling_days:
        return rule.ceiling_days, RetentionReason.CEILING
    return days, RetentionReason.TENANT_RETENTION


def _rule(topology: Topology, data_class: DataClass) -> ClassRule:
    rule = topology.classes.get(data_class)
    if rule is None or data_class not in RECORD_CLASSES:
        raise unknown_class(topology)
    return rule


def unknown_class(topology: Topology) -> UnknownClass:
    """Return the error that lists the known classes of records."""
    known = sorted(topology.classes.keys() & set(RECORD_CLASSES))
    return UnknownClass(advice=f"Known classes: {', '.join(known)}.")


def _kept(reason: RetentionReason) -> Term:
    return Term(stored=True, expiry_day=None, readable_until=None, deadline=None, reason=reason)


def _nothing(reason: RetentionReason) -> Term:
    return Term(stored=False, expiry_day=None, readable_until=None, deadline=None, reason=reason)


def until_day(day: date, bounds: Bounds, reason: RetentionReason) -> Term:
    """Return the term of a record that is stored and expires on that day."""
    end = midnight(day)
    return Term(
        stored=True,
        expiry_day=day,
        readable_until=end,
        deadline=end + bounds.purge,
        reason=reason,
    )


def _longest(topology: Topology) -> int:
    """Days of classes that are kept for a law are far ahead: they are made on first need."""
    rules = (rule for rule in topology.classes.values() if rule.floor_days is None)
    return max((rule.retention_days or 0 for rule in rules), default=0)
