"""How long a record is kept, and what its id must say about that."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from regions.model import LONGEST_RETENTION_DAYS, Bounds, DataClass, Topology
from storage.errors import InvalidRequest, StaleId, UnknownClass
from storage.model import RecordId, TenantSpec, utc

_MINT = "Mint a new id for this write."


@dataclass(frozen=True, slots=True)
class Term:
    """How long a record lives. The moments are UTC; all None: until it is deleted.

    Not ``stored``: nothing may be written anywhere. ``readable_until`` is the first moment at which
    it cannot be read any more; by ``deadline`` its bytes are gone. ``reason`` is a code:
    ``class_retention``, ``tenant_retention``, ``ceiling``, ``until_deleted``, ``expiry_day``,
    ``zero_retention`` or ``too_short``.
    """

    stored: bool
    expiry_day: date | None
    readable_until: datetime | None
    deadline: datetime | None
    reason: str


def retain(
    topology: Topology, tenant: TenantSpec, data_class: DataClass, written: datetime
) -> Term:
    """The term of a record of that class, if it is written at that moment.

    Its deadline is never later than ``written`` and the retention. Raises UnknownClass, and
    NaiveDatetime if ``written`` has no time zone.
    """
    moment = utc(written)
    days, reason = _retention(topology, tenant, data_class)
    if days is None:
        return _kept(reason)
    if days <= 0:
        return _nothing("zero_retention")
    day = (moment + timedelta(days=days) - topology.bounds.purge).date()
    if day <= moment.date():
        return _nothing("too_short")
    return _until(day, topology.bounds, reason)


def term_of(day: date | None, bounds: Bounds) -> Term:
    """The term of a record that exists, by its expiry day (None: kept until deleted)."""
    return _kept("until_deleted") if day is None else _until(day, bounds, "expiry_day")


def accept_id(
    topology: Topology, tenant: TenantSpec, record_id: RecordId, now: datetime, error: timedelta
) -> Term:
    """The term that a record gets if it is written now under that id.

    An id names one partition for ever, so the record expires on the id's own day. The id must be
    at most a write window old, and its day neither come nor later than the retention allows now.
    ``error``: how far the clock that minted may be ahead of the one that gave ``now``.

    An id is good when it is minted, with the day that ``retain`` gives, and stays so for the write
    window, or until its day comes. Raises StaleId and UnknownClass.
    """
    moment = utc(now)
    if too_old(record_id, moment, topology.bounds):
        hours = topology.bounds.write_window_hours
        raise StaleId(f"The id was minted more than {hours} hours ago.", advice=_MINT)
    if record_id.minted > moment + error:
        raise StaleId("The id was minted in the future.", advice="Compare the clocks. " + _MINT)
    # A clock that is ahead at midnight mints for the next day: the id was good where it was minted.
    moment = max(moment, utc(record_id.minted))
    term = retain(topology, tenant, record_id.data_class, moment)
    if not term.stored:
        return term
    if (record_id.day is None) != (term.expiry_day is None):
        raise StaleId("Retention was switched on or off after the id was minted.", advice=_MINT)
    if record_id.day is None or term.expiry_day is None:
        return term
    if record_id.day > term.expiry_day:
        raise StaleId("Retention was shortened after the id was minted.", advice=_MINT)
    if record_id.day <= moment.date():
        raise StaleId("The id's expiry day has come.", advice=_MINT)
    return _until(record_id.day, topology.bounds, term.reason)


def too_old(record_id: RecordId, now: datetime, bounds: Bounds) -> bool:
    """Whether the id's write window is over. A fence that covers the id may be gone by then."""
    return record_id.minted < utc(now) - bounds.write_window


def check_retention(topology: Topology, data_class: DataClass, days: int) -> None:
    """Whether a tenant may ask for that retention. Raises UnknownClass or InvalidRequest."""
    rule = topology.classes.get(data_class)
    if rule is None:
        raise unknown_class(topology)
    most = LONGEST_RETENTION_DAYS if rule.ceiling_days is None else rule.ceiling_days
    if days < 0 or days > most:
        raise InvalidRequest(
            f"A retention of {days} days is not possible for {rule.name}.",
            advice=f"Give 0 (nothing is stored) to {most} days.",
        )
    if not topology.bounds.allow(days):
        hours = topology.bounds.purge_hours
        raise InvalidRequest(
            f"A retention of {days} days leaves no time to read a {rule.name}.",
            advice=f"Give 0 (nothing is stored), or at least {hours} hours and a day.",
        )


def _retention(
    topology: Topology, tenant: TenantSpec, data_class: DataClass
) -> tuple[int | None, str]:
    """Days and reason code. A ceiling that was lowered binds tenants that came before it."""
    rule = topology.classes.get(data_class)
    if rule is None:
        raise unknown_class(topology)
    days = tenant.retention.get(data_class)
    if days is None and rule.retention_days is None:
        return None, "until_deleted"
    if days is None:
        return rule.retention_days, "class_retention"
    if rule.ceiling_days is not None and days > rule.ceiling_days:
        return rule.ceiling_days, "ceiling"
    return days, "tenant_retention"


def unknown_class(topology: Topology) -> UnknownClass:
    """The error that names the classes that there are."""
    return UnknownClass(advice=f"The classes are: {', '.join(sorted(topology.classes))}.")


def _kept(reason: str) -> Term:
    return Term(stored=True, expiry_day=None, readable_until=None, deadline=None, reason=reason)


def _nothing(reason: str) -> Term:
    return Term(stored=False, expiry_day=None, readable_until=None, deadline=None, reason=reason)


def _until(day: date, bounds: Bounds, reason: str) -> Term:
    midnight = datetime.combine(day, time.min, UTC)
    return Term(
        stored=True,
        expiry_day=day,
        readable_until=midnight,
        deadline=midnight + bounds.purge,
        reason=reason,
    )
