"""Cases of how long a record is kept, of the ids of writes, and of the terms of a new tenant."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from regions.model import LONGEST_RETENTION_DAYS, RECORD_CLASSES, DataClass, Topology
from storage.errors import DomicileError, OriginRefused, StaleId, UnknownClass
from storage.model import RecordId, TenantSpec
from storage.policy.placement import admit
from storage.policy.proof.cases import tenants
from storage.policy.proof.cases.trainings import edges
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties import admission as admissions
from storage.policy.proof.properties.retention import Facts, Kept, Write, of_id, of_term
from storage.policy.retention import Term, accept_id, retain

_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_ERROR = timedelta(milliseconds=25)
_LONG = 3000  # days


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each class of records, and of a class that is none."""
    for data_class in DataClass:
        yield from _of_class(topology, data_class, today)
    for region in (*topology.regions, tenants.NOWHERE):
        yield _of_admission(topology, region)


def _of_class(topology: Topology, data_class: DataClass, today: date) -> Iterator[Family]:
    midnight = datetime.combine(today, time.min, UTC)
    written = Dimension(tuple(Value("", at) for at in _moments(midnight, topology.bounds.purge)))
    rule = topology.classes.get(data_class) if data_class in RECORD_CLASSES else None

    def facts(
        days: int | None, at: datetime, origin: date | None = None
    ) -> tuple[Facts, TenantSpec]:
        retention = {} if days is None else {data_class: days}
        home, residency = next(iter(topology.regions)), next(iter(topology.residencies), "")
        tenant = TenantSpec("any-tenant", "any-account", home, residency, retention=retention)
        return Facts(rule, topology.bounds, days, at, topology.epochs, origin), tenant

    def judge_term(case: Case) -> Iterator[Violation]:
        days, at, origin = (value.fact for value in case)
        known, tenant = facts(days, at, origin)
        try:
            term = retain(topology, tenant, data_class, known.written, origin)
        except UnknownClass:
            return of_term(known, None, "unknown_class")
        except OriginRefused as error:
            return of_term(known, None, error.reasons[0])
        return of_term(known, plain(term), None)

    def judge_id(case: Case) -> Iterator[Violation]:
        days, now, minted, day, error, origin = (value.fact for value in case)
        known, tenant = facts(days, now, origin)
        record = RecordId(data_class, tenant.home, now + minted, day, bytes(16))
        write = Write(record, now, error)
        try:
            term = accept_id(topology, tenant, record, now, error, origin=origin)
        except (StaleId, OriginRefused):
            return of_id(known, write, None)
        return of_id(known, write, plain(term))

    kept = {Property.DEADLINE, Property.READABLE, Property.TERMS, Property.REASONS}
    kept.add(Property.USABLE)
    settings = settings_of(topology, data_class)
    for days in settings:
        found = _origins(topology, days, today)
        origin = Dimension((Value("", None), *(Value(f"it is of {day}", day) for day in found)))
        dimensions = Dimension((Value("", days),)), written, origin
        yield Family(f"retention of {data_class}", dimensions, frozenset(kept), judge_term)
    for ids in _every_id(topology, data_class, midnight) if rule is not None else ():
        yield Family(
            f"ids of {data_class}",
            ids,
            frozenset({Property.IDS, Property.REASONS, Property.USABLE}),
            judge_id,
        )


def _every_id(
    topology: Topology, data_class: DataClass, midnight: datetime
) -> Iterator[tuple[Dimension, ...]]:
    if topology.epochs:
        yield _older_ids(topology, data_class, midnight + timedelta(hours=12))
    for days in settings_of(topology, data_class):
        for now in _moments_of_writes(topology, data_class, days, midnight):
            yield _ids(topology, data_class, days, now)


def _older_ids(topology: Topology, data_class: DataClass, now: datetime) -> tuple[Dimension, ...]:
    """Return ids of data that came in during each epoch, of a tenant that keeps it for long."""
    origins = [epoch.begins for epoch in topology.epochs if epoch.begins <= now.date()]
    days = topology.classes[data_class].ceiling_days or _LONG
    kept = timedelta(days=days) - topology.bounds.purge
    ends = [(datetime.combine(day, time.min, UTC) + kept).date() for day in origins]
    found = {now.date() + _DAY, *(end + timedelta(days=n) for end in ends for n in (-1, 0, 1))}
    return (
        Dimension((Value("", days),)),
        Dimension((Value("", now),)),
        Dimension((Value("", timedelta()),)),
        Dimension(tuple(Value("", day) for day in sorted(found) if day > now.date())),
        Dimension((Value("", _ERROR),)),
        Dimension(tuple(Value(f"it is of {day}", day) for day in origins)),
    )


def _ids(
    topology: Topology, data_class: DataClass, days: int | None, now: datetime
) -> tuple[Dimension, ...]:
    """Return the ids of writes at a moment, by their minting and their day."""
    return (
        Dimension((Value("", days),)),
        Dimension((Value("", now),)),
        Dimension(tuple(Value("", since) for since in _MINTED)),
        Dimension(tuple(Value("", on) for on in _days(topology, data_class, days, now))),
        Dimension((Value("", _ERROR), Value("", timedelta()))),
        Dimension((Value("", None), *(Value(f"it is of {on}", on) for on in _came_in(days, now)))),
    )


def _came_in(days: int | None, now: datetime) -> Iterable[date]:
    """Return days on which older data came in: ahead, yesterday, and with little time left."""
    today = now.date()
    left = (timedelta(days=max((days or 0) - by, 1)) for by in (2, 4))
    return sorted({today + _DAY, today - _DAY, *(today - one for one in left)})


def _moments_of_writes(
    topology: Topology, data_class: DataClass, days: int | None, midnight: datetime
) -> Iterable[datetime]:
    """Return edges of today, and for the retention of the class those of epochs that change it."""
    found = [midnight + at for at in _MOMENTS_OF_WRITES]
    for before, epoch in pairwise(topology.epochs):
        ceilings = [one.ceiling_days.get(data_class) for one in (before, epoch)]
        if days is None and ceilings[0] != ceilings[1]:
            found.append(datetime.combine(epoch.begins, time(12), UTC))
    return found


_MOMENTS_OF_WRITES = (timedelta(hours=12), timedelta(0), _DAY - _TICK, _DAY - _ERROR)
_MINTED = (
    timedelta(0),
    -_DAY,
    -_DAY - _TICK,
    -timedelta(hours=13),
    _ERROR,
    _ERROR + _TICK,
    _TICK,
)


def _moments(midnight: datetime, purge: timedelta) -> Iterable[datetime]:
    """Return times of a day, among them the edges of the day and of the purge bound."""
    spread = [midnight + timedelta(hours=hours) for hours in range(0, 24, 3)]
    edge = midnight + purge % _DAY
    return sorted({*spread, midnight + _TICK, midnight + _DAY - _TICK, edge, edge - _TICK})


def _origins(topology: Topology, days: int | None, today: date) -> Iterable[date]:
    """Return days on which data from before came in: edges of epochs, of today, and of its end."""
    found = set(edges(topology, today))
    ceilings = {n for epoch in topology.epochs for n in epoch.ceiling_days.values()}
    for kept in {days, *ceilings, *(r.retention_days for r in topology.classes.values())} - {None}:
        assert kept is not None
        found |= {today - timedelta(days=kept + by) for by in range(-4, 2)}
    return sorted(found)


def settings_of(topology: Topology, data_class: DataClass) -> tuple[int | None, ...]:
    """Return what a tenant may have set for a class, also before a ceiling was lowered."""
    rule = topology.classes.get(data_class)
    least = -(-topology.bounds.purge_hours // 24) + 1
    found = {0, 1, least - 1, least, least + 1, LONGEST_RETENTION_DAYS}
    ceilings = (one.ceiling_days.get(data_class) for one in topology.epochs)
    stated = (rule.retention_days, rule.ceiling_days) if rule is not None else ()
    for days in (*stated, *ceilings):
        found.update(() if days is None else (days - 1, days, days + 1))
    return None, *sorted(days for days in found if 0 <= days <= LONGEST_RETENTION_DAYS)


def _days(
    topology: Topology, data_class: DataClass, days: int | None, now: datetime
) -> Iterable[date | None]:
    """Return the days that an id may have: around today, its floor and what the retention gives."""
    found = {now.date() + timedelta(days=n) for n in (0, 1, 2)}
    floor = topology.classes[data_class].floor_days
    if floor is not None:
        found.update(now.date() + timedelta(days=floor + n) for n in (-1, 0, 1))
    rules = topology.classes.values()
    ceilings = {one.ceiling_days.get(data_class) for one in topology.epochs if days is None}
    for kept in ({days} | ceilings | {rule.retention_days for rule in rules}) - {None, 0}:
        assert kept is not None
        end = (now + timedelta(days=kept) - topology.bounds.purge).date()
        found.update(end + timedelta(days=n) for n in (-1, 0, 1))
    return None, *sorted(found)


def _of_admission(topology: Topology, home: str) -> Family:
    residencies = (*topology.residencies, tenants.NOWHERE)
    changes: list[Value] = [Value("", {})]
    for data_class in DataClass:
        changes += [
            Value(f"{days} days for {data_class}", {data_class: days})
            for days in (-1, *settings_of(topology, data_class))
            if days is not None
        ]
    names = {
        "any-tenant": True,
        "a": True,
        "a" * 64: True,
        "a" * 65: False,
        "": False,
        "-a": False,
        "a b": False,
        "a\n": False,
    }

    def judge(case: Case) -> Iterator[Violation]:
        residency, service, retention, (tenant, well), (account, good) = (v.fact for v in case)
        spec = TenantSpec(tenant, account, home, residency, service, retention=retention)
        refused = None
        try:
            admit(topology, spec)
        except DomicileError as error:
            refused = type(error).__name__
        return admissions.of_admission(admissions.Facts(topology, spec, well and good), refused)

    named = tuple(Value(f"the id {name!r}", (name, good)) for name, good in names.items())
    accounts = tuple(Value(f"the account {name!r}", (name, good)) for name, good in names.items())
    dimensions = (
        Dimension(tuple(Value(f"residency {name}", name) for name in residencies)),
        tenants.SERVICES,
        Dimension(tuple(changes)),
        Dimension((Value("", ("any-tenant", True)),), named),
        Dimension((Value("", ("any-account", True)),), accounts),
    )
    properties = frozenset({Property.ADMISSION, Property.USABLE})
    return Family(f"admission to {home}", dimensions, properties, judge)


def plain(term: Term) -> Kept:
    """Return a term as the properties see it."""
    return Kept(term.stored, term.expiry_day, term.readable_until, term.deadline, term.reason.value)
