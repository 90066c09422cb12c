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
from storage.errors import InvalidRequest, StaleId, UnknownClass
from storage.model import RecordId, TenantSpec, utc

_MINT = "Mint a new id for this write."
_AHEAD = 14  # days with a partition beyond the longest retention of a class
_ALARM = 3  # fewer days than this mean that no worker makes partitions


class RetentionReason(StrEnum):
    """What determines how long a record is kept."""

    CLASS_RETENTION = "class_retention"
    TENANT_RETENTION = "tenant_retention"
    CEILING = "ceiling"  # the class has a shorter ceiling than the tenant's retention
    UNTIL_DELETED = "until_deleted"
    EXPIRY_DAY = "expiry_day"  # the record exists, and its expiry day is fixed
    ZERO_RETENTION = "zero_retention"
    TOO_SHORT = "too_short"  # the record would never be readable
    FLOOR = "floor"  # the class has a longer floor than the tenant's retention
    RECORD_RETENTION = "record_retention"  # the record has fewer days than its tenant


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
    topology: Topology, tenant: TenantSpec, data_class: DataClass, written: datetime
) -> Term:
    """Return the term of a record of that class that is written at ``written``.

    Its deadline is never later than ``written`` plus the retention. Raises UnknownClass, and
    NaiveDatetime if ``written`` has no time zone.
    """
    moment = utc(written)
    days, reason = retention_of(topology, tenant.retention, data_class)
    if days is None:
        return _kept(reason)
    if days <= 0:
        return _nothing(RetentionReason.ZERO_RETENTION)
    day = expiry_day(moment, days, topology.bounds)
    if day <= moment.date():
        return _nothing(RetentionReason.TOO_SHORT)
    return until_day(day, topology.bounds, reason)


def term_of(day: date | None, bounds: Bounds) -> Term:
    """Return the term of an existing record by its expiry day (None: kept until deleted)."""
    if day is None:
        return _kept(RetentionReason.UNTIL_DELETED)
    return until_day(day, bounds, RetentionReason.EXPIRY_DAY)


def accept_id(
    topology: Topology, tenant: TenantSpec, record_id: RecordId, now: datetime, error: timedelta
) -> Term:
    """Return the term of a record that is written now under that id.

    An id names one partition for ever, so the record expires on the id's own day. An id is accepted
    from its minting, with the day that ``retain`` gives or an earlier one, until its write window
    ends or its day begins. ``error``: how far the clock that minted the id may be ahead of the one
    that gave ``now``.

    Raises UnknownClass, and StaleId if the id is older than the write window, comes from the
    future, or has a day that has begun or is later than the retention allows now.
    """
    moment = utc(now)
    if too_old(record_id, moment):
        raise StaleId("The id was minted more than a day ago.", advice=_MINT)
    if record_id.minted > moment + error:
        raise StaleId("The id was minted in the future.", advice=f"Synchronize the clocks. {_MINT}")
    # Just before midnight, a clock that is ahead mints ids for the next day. They are good.
    moment = max(moment, utc(record_id.minted))
    term = retain(topology, tenant, record_id.data_class, moment)
    if not term.stored:
        return term
    if record_id.day is None:
        if term.expiry_day is None:
            return term
        raise StaleId("Retention was switched on after the id was minted.", advice=_MINT)
    if term.expiry_day is not None and record_id.day > term.expiry_day:
        raise StaleId("Retention was shortened after the id was minted.", advice=_MINT)
    if record_id.day <= moment.date():
        raise StaleId("The id's expiry day has begun.", advice=_MINT)
    own = term.expiry_day is None or record_id.day < term.expiry_day
    reason = RetentionReason.RECORD_RETENTION if own else term.reason
    return until_day(record_id.day, topology.bounds, reason)


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
            f"A retention of {days} days leaves no time to read a {rule.name}.",
            advice=f"Use 0 (nothing is stored), or at least {hours} hours and one day.",
        )


def horizon_wanted(topology: Topology, today: date) -> date:
    """Return the last day that should have a partition."""
    return today + timedelta(days=_longest(topology) + _AHEAD)


def horizon_alarm(topology: Topology, today: date, horizon: date | None) -> bool:
    """Whether records may soon lack a partition, given the last day that has one."""
    return horizon is None or horizon < today + timedelta(days=_longest(topology) + _ALARM)


def expiry_day(minted: datetime, days: int, bounds: Bounds) -> date:
    """Return the day at whose beginning a record that is kept for ``days`` becomes unreadable."""
    return (minted + timedelta(days=days) - bounds.purge).date()


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
    midnight = datetime.combine(day, time.min, UTC)
    return Term(
        stored=True,
        expiry_day=day,
        readable_until=midnight,
        deadline=midnight + bounds.purge,
        reason=reason,
    )


def _longest(topology: Topology) -> int:
    """Days of classes that are kept for a law are far ahead: they are made on first need."""
    rules = (rule for rule in topology.classes.values() if rule.floor_days is None)
    return max((rule.retention_days or 0 for rule in rules), default=0)
