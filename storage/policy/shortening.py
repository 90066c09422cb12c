"""Decide when reading ends: by the id's day, or earlier, by the retention that is in force today.

An id's day never changes, so a retention that gets longer applies to new records alone. One that
gets shorter applies to all: nothing is written for it, it is computed where a record is read.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from regions.model import RECORD_CLASSES, Bounds, DataClass, Topology
from regions.words import with_article
from storage.errors import InvalidRequest, StaleId
from storage.model import RecordId, TenantSpec, utc
from storage.policy.retention import (
    RetentionReason,
    Term,
    check_epoch,
    check_retention,
    expiry_day,
    midnight,
    retain,
    retention_of,
    term_of,
    within_ceilings,
)

_DAY = timedelta(days=1)

Retention = Mapping[DataClass, int]
"""The days that a tenant set for classes, as in its terms."""


def term_now(
    topology: Topology,
    own: Retention,
    record_id: RecordId,
    origin: date | None = None,
    until: datetime | None = None,
) -> Term:
    """Return the term of an existing record as it is today.

    ``until``: the moment that its writer named, at which reading ends if it is earlier. For the
    rest see ``_by_days``.
    """
    term = _by_days(topology, own, record_id, origin)
    if until is None or (term.readable_until is not None and term.readable_until <= utc(until)):
        return term
    return replace(term, readable_until=utc(until), reason=RetentionReason.RECORD_RETENTION)


def _by_days(topology: Topology, own: Retention, record_id: RecordId, origin: date | None) -> Term:
    """Return the term of an existing record by days: it ends by whichever is earlier.

    These are the id's day, and the day that ``retain`` would give an id of the same minting with
    the retention of today. ``own``: what the tenant set. ``origin``: the origin date of data from
    before Domicile, from which retention counts. ``deadline`` of a record that was shortened:
    within a compaction window and a purge bound after its end, or after the retention was shortened
    if that came later. Data from before Domicile is destroyed as if it had come in with its
    minting. A class that the topology does not have ends by the id's day.
    """
    bounds, minted = topology.bounds, utc(record_id.minted)
    by_id = term_of(record_id.day, bounds)
    if record_id.data_class not in topology.classes:
        return by_id
    days, reason = retention_of(topology, own, record_id.data_class)
    if days is None:
        return by_id
    # A retention that ends before its record could be read: it ends with the minting.
    begins = minted if origin is None else midnight(origin)
    day = max(expiry_day(begins, days, bounds), minted.date())
    if record_id.day is not None and record_id.day <= day:
        return by_id
    end = midnight(day)
    # what destroys goes by the minting, also of data from before Domicile
    last = midnight(max(expiry_day(minted, days, bounds), minted.date()))
    gone = last + bounds.compaction + bounds.purge
    deadline = gone if by_id.deadline is None else min(gone, by_id.deadline)
    return replace(by_id, readable_until=end, deadline=deadline, reason=reason)


def ended_before(topology: Topology, own: Retention, now: datetime) -> dict[DataClass, datetime]:
    """Return by class before which minting reading has ended by the retention of today.

    The same as ``term_now``, for a query over many records. Classes that are kept until they are
    deleted are not in it.
    """
    tomorrow = midnight(utc(now).date()) + _DAY
    found = {}
    for data_class in topology.classes.keys() & set(RECORD_CLASSES):
        days, _ = retention_of(topology, own, data_class)
        if days is not None:
            found[data_class] = min(tomorrow, tomorrow - _kept(days, topology.bounds))
    return found


@dataclass(frozen=True, slots=True)
class Shortening:
    """What a tenant's new retention of a class changes for what is stored.

    ``days`` and ``now``: those in force with it, and today (None: until deleted). ``readable``:
    what was minted earlier has ended by the retention of today. ``ends``: so long after its minting
    a record would end, with the UTC day. ``before``: what was minted earlier would end at once.
    """

    now: int | None
    days: int
    readable: datetime | None
    ends: timedelta
    before: datetime

    @property
    def shorter(self) -> bool:
        """Whether anything that is stored may end earlier: a longer one is for new records."""
        return _is_shorter(self.days, self.now)


def suppose_kept(
    topology: Topology, own: Retention, data_class: DataClass, days: int, now: datetime
) -> Shortening:
    """Return what it would mean to keep a class for ``days``.

    Raises UnknownClass, and InvalidRequest for days that a tenant may not set.
    """
    check_retention(topology, data_class, days)
    check_epoch(topology, {data_class: days}, own, utc(now).date())
    after = {**own, data_class: days}
    kept, _ = retention_of(topology, after, data_class)
    assert kept is not None
    return Shortening(
        now=retention_of(topology, own, data_class)[0],
        days=kept,
        readable=ended_before(topology, own, now).get(data_class),
        ends=_kept(kept, topology.bounds),
        before=ended_before(topology, after, now)[data_class],
    )


def spared_from(topology: Topology, now: datetime) -> datetime | None:
    """Return after which minting an erasure leaves events: their floor is not over. None: none."""
    rule = topology.classes.get(DataClass.EVENT)
    if rule is None or rule.floor_days is None:
        return None
    return utc(now) - timedelta(days=rule.floor_days)


def days_in_force(topology: Topology, own: Retention) -> dict[DataClass, int | None]:
    """Return how long each class of records is kept by the retention of today."""
    classes = topology.classes.keys() & set(RECORD_CLASSES)
    return {name: retention_of(topology, own, name)[0] for name in sorted(classes)}


def rules_digest(topology: Topology) -> str:
    """Return a digest of what the topology says of retentions: another one may be shorter."""
    said = [
        rule.model_dump(
            mode="json", include={"name", "retention_days", "ceiling_days", "floor_days"}
        )
        for _, rule in sorted(topology.classes.items())
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Watched:
    """How long a tenant was seen to keep its classes, and what may therefore end early.

    ``days`` by class, None: until deleted. ``until``: by class, the last day on which a record may
    end that was minted for a later one.
    """

    days: Mapping[DataClass, int | None]
    until: Mapping[DataClass, date]


def watch(
    seen: Watched | None, days: Mapping[DataClass, int | None], today: date, *, missed: bool
) -> Watched:
    """Return what to watch, now that a tenant keeps its classes for ``days``.

    A record that was minted before today has ended ``days`` later, and one that is minted from now
    on has the right day. So a class is watched for that long after each change that may have left
    records with a later day; ``seen`` is None of a tenant of which nothing is known. ``missed``:
    it may have kept a class for longer since then, also if it keeps it for as long as before.
    """
    before = {} if seen is None else seen.days
    until = {} if seen is None else dict(seen.until)
    for data_class, kept in days.items():
        if kept is None:
            until.pop(data_class, None)
            continue
        known = data_class in before
        shorter = missed or not known or _is_shorter(kept, before[data_class])
        changed = known and before[data_class] != kept
        if shorter or (changed and data_class in until):
            until[data_class] = max(until.get(data_class, today), today + _DAY * (kept + 1))
    return Watched(days, {name: day for name, day in until.items() if name in days})


def _is_shorter(days: int, before: int | None) -> bool:
    return before is None or days < before


def retain_for(  # noqa: PLR0917 - what ``retain`` takes, and the days
    topology: Topology,
    tenant: TenantSpec,
    data_class: DataClass,
    written: datetime,
    keep_days: int | None,
    origin: date | None = None,
) -> Term:
    """Return the term of a record that is written at ``written`` and says how long it is kept.

    ``keep_days``: at or below the retention in force for the tenant; None: that retention.
    ``origin``: as for ``retain``. Raises UnknownClass, OriginRefused, and InvalidRequest for days
    that the tenant may not use.
    """
    if keep_days is None:
        return retain(topology, tenant, data_class, written, origin)
    begins = utc(written) if origin is None else midnight(origin)
    most, _ = within_ceilings(topology, tenant.retention, data_class, begins.date())
    if most is not None and keep_days > most:
        raise InvalidRequest(
            f"A record is not kept for {keep_days} days: "
            f"the tenant keeps {with_article(data_class)} for {most} days.",
            advice="A record may be kept for less than its tenant's retention, never for more.",
        )
    check_keep_days(topology, data_class, keep_days)
    less = replace(tenant, retention={**tenant.retention, data_class: keep_days})
    term = retain(topology, less, data_class, written, origin)
    return replace(term, reason=RetentionReason.RECORD_RETENTION)


def check_keep_days(topology: Topology, data_class: DataClass, keep_days: int) -> None:
    """Raise InvalidRequest unless a record may be kept for so many days. See ``retain_for``."""
    if keep_days < 1:
        raise InvalidRequest(
            f"A record is not kept for {keep_days} days.",
            advice="Give a day or more, or do not store the record.",
        )
    check_retention(topology, data_class, keep_days)


def check_kept(
    topology: Topology, record_id: RecordId, keep_days: int | None, origin: date | None = None
) -> None:
    """Raise InvalidRequest if a write says another number of days than its id was minted with."""
    if keep_days is None:
        return
    check_keep_days(topology, record_id.data_class, keep_days)
    begins = utc(record_id.minted) if origin is None else midnight(origin)
    if record_id.day != expiry_day(begins, keep_days, topology.bounds):
        raise InvalidRequest(
            f"The id was minted for another day than that of a record kept for {keep_days} days.",
            advice="Mint the id for as many days, or leave the days out of the write.",
        )


def check_origin(record_id: RecordId, origin: date | None) -> None:
    """Raise StaleId for a write of older data that does not say so: it would count as new."""
    if origin is None and record_id.older:
        raise StaleId(
            "The id was minted for data from before Domicile, and the write has no origin.",
            advice="Write it with the origin that its id was minted for, or mint another id.",
        )


def _kept(days: int, bounds: Bounds) -> timedelta:
    return timedelta(days=days) - bounds.purge
