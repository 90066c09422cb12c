"""What ends before the day of its id, because a retention was shortened since.

Which tenants to look at is found from ``retention_look`` alone. The records of a class are looked
at only while some of them may have been minted for a later day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Integer,
    Interval,
    Select,
    Table,
    Text,
    and_,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from storage.catalog import hold_predicate
from storage.catalog import tables as t
from storage.model import DataClass, ErasureState, ScopeKind
from storage.policy import Watched

T = TypeVar("T")

COUNTED = 100_000
"""Records of a dry run are counted up to this, in each of two tables."""

e, f, h, k, s = t.erasure.c, t.fence.c, t.tenant.c, t.retention_look.c, t.topology_seen.c


@dataclass(frozen=True, slots=True)
class ToLook:
    """A tenant to look at: the version of its terms, its own retention, what was seen before.

    ``rules``: those of this look. ``missed``: whether its retention may have been another one
    between this look and the last.
    """

    tenant: str
    version: int
    retention: Mapping[DataClass, int]
    seen: Watched | None
    rules: str
    missed: bool


def _rules(digest: str) -> ColumnElement[str]:
    """SQL: the digest of the rules of now, and when a topology with others was last replaced."""
    others = select(func.max(s.replaced)).where(s.rules.is_distinct_from(digest))
    return func.concat(digest, " ", extract("epoch", others.scalar_subquery()), type_=Text)


def to_look(rules: str, today: date) -> Select[str]:
    """SQL: tenants that nobody has looked at, whose retention may have changed, or with a watch.

    ``rules``: the digest of what the topology says of retentions. A watched tenant is looked at
    once a day.
    """
    watched = and_(k.until != literal({}, JSONB), k.looked < today)
    changed = or_(k.tenant.is_(None), k.version != h.version, k.rules != _rules(rules))
    return (
        select(h.id)
        .outerjoin(t.retention_look, k.tenant == h.id)
        .where(or_(changed, watched))
        .order_by(h.id)
    )


def next_to_look(connection: Connection, rules: str, today: date, limit: int) -> list[ToLook]:
    """Return a batch of tenants to look at."""
    now = _rules(rules)
    missed = or_(k.tenant.is_(None), h.version > k.version + 1, k.rules != now)
    query = to_look(rules, today).with_only_columns(
        h.id, h.version, h.retention, k.days, k.until, now, missed
    )
    return [
        ToLook(row[0], row[1], _by_class(row[2]), _seen(row[3], row[4]), row[5], row[6])
        for row in connection.execute(query.limit(limit))
    ]


def _seen(days: Mapping[str, int | None] | None, until: Mapping[str, str] | None) -> Watched | None:
    if days is None or until is None:
        return None
    ends = {name: date.fromisoformat(day) for name, day in until.items()}
    return Watched(_by_class(days), _by_class(ends))


def _by_class(found: Mapping[str, T]) -> dict[DataClass, T]:
    return {DataClass(name): value for name, value in found.items()}


def note(connection: Connection, looked: ToLook, watched: Watched, today: date) -> None:
    """Note what was seen of a tenant, unless it was removed meanwhile."""
    days = {name.value: kept for name, kept in watched.days.items()}
    until = {name.value: day.isoformat() for name, day in watched.until.items()}
    query = insert(t.retention_look).from_select(
        ["tenant", "version", "rules", "days", "until", "looked"],
        select(
            h.id,
            literal(looked.version, Integer),
            literal(looked.rules, Text),
            literal(days, JSONB),
            literal(until, JSONB),
            literal(today, Date),
        ).where(h.id == looked.tenant),
    )
    new = query.excluded
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["tenant"],
            set_={name: new[name] for name in ("version", "rules", "days", "until", "looked")},
        )
    )


def look_again(connection: Connection, tenant: str | None) -> None:
    """Have watched tenants looked at today once more: a hold may have let something go.

    ``tenant``: that one alone. If another worker notes a look at the same time, it is tomorrow.
    """
    watched = update(t.retention_look).where(k.until != literal({}, JSONB))
    if tenant is not None:
        watched = watched.where(k.tenant == tenant)
    connection.execute(watched.values(looked=date.min))


@dataclass(frozen=True, slots=True)
class Early:
    """What is left of a class of a tenant.

    ``some``: any record, also one that has not ended. ``ended``: one that ended before the day of
    its id; ``free``: one of those that no hold keeps. ``erasing``: some ended, and an erasure of
    the class has not read its rows yet.
    """

    some: bool = False
    ended: bool = False
    free: bool = False
    erasing: bool = False


def find(
    connection: Connection, tenant: str, data_class: DataClass, before: datetime, today: date
) -> Early:
    """Return what is left of a class. ``before``: what was minted earlier has ended.

    Asked in steps: the server plans each for every day, and that with the holds takes long.
    """
    if not connection.scalar(select(_any(tenant, data_class, today))):
        return Early()
    if not connection.scalar(select(_any(tenant, data_class, today, before))):
        return Early(some=True)
    free = _any(tenant, data_class, today, before, free=True)
    row = connection.execute(select(free, _erasing(tenant, data_class))).one()
    return Early(some=True, ended=True, free=row[0], erasing=row[1])


def _any(
    tenant: str,
    data_class: DataClass,
    today: date,
    before: datetime | None = None,
    *,
    free: bool = False,
) -> ColumnElement[bool]:
    """SQL: whether there is such a record, of a day that is not over."""
    return or_(
        *(
            exists().where(*_where(table, tenant, data_class, today, before, free=free))
            for table in (t.record, t.file)
        )
    )


def _where(
    table: Table,
    tenant: str,
    data_class: DataClass,
    today: date,
    before: datetime | None,
    *,
    free: bool,
) -> list[ColumnElement[bool]]:
    c = table.c
    where = [c.tenant == tenant, c.data_class == data_class.value]
    if table is t.record:
        where.append(c.expiry_day > today)
    if before is not None:
        where.append(c.minted < before)
    return [*where, ~hold_predicate.held(table)] if free else where


def _erasing(tenant: str, data_class: DataClass) -> ColumnElement[bool]:
    """SQL: whether an erasure of the class is about to read its rows."""
    return exists().where(
        f.tenant == tenant,
        f.scope == ScopeKind.CLASS.value,
        f.value == data_class.value.encode(),
        f.erasure_id == e.id,
        e.state == ErasureState.FENCED,
    )


@dataclass(frozen=True, slots=True)
class EndsEarlier:
    """Records that can be read now and would end earlier, and those of them that would end at once.

    ``bytes`` are sealed, one replica each. Counting stops at ``COUNTED`` in each of two tables:
    not ``exact``.
    """

    records: int
    bytes: int
    records_now: int
    bytes_now: int
    exact: bool


def _begins(table: Table) -> ColumnElement[datetime]:
    """SQL: from when on the retention of a record counts."""
    origin = func.timezone("UTC", cast(table.c.origin_date, DateTime))
    return func.coalesce(origin, table.c.minted)


def count_ending(
    connection: Connection,
    tenant: str,
    data_class: DataClass,
    *,
    readable: datetime | None,
    ends: timedelta,
    before: datetime,
    today: date,
) -> EndsEarlier:
    """Count what a shorter retention would end earlier.

    ``readable``: what was minted earlier has ended already. ``ends``: so long after its minting a
    record would end, with the UTC day that begins by then. ``before``: what was minted earlier
    would end at once. Of data from before Domicile its origin date counts instead.
    """
    counts, exact = [0, 0, 0, 0], True
    for table in (t.record, t.file):
        c = table.c
        begins = _begins(table)
        where = _where(table, tenant, data_class, today, None, free=False)
        if readable is not None:
            where.append(begins >= readable)
        if table is t.record:
            day = func.date(func.timezone("UTC", begins + literal(ends, Interval)))
            where.append(or_(day < c.expiry_day, begins < before))
        some = (
            select(c.length, (begins < before).label("now")).where(*where).limit(COUNTED).subquery()
        )
        length = func.coalesce(func.sum(some.c.length), 0)
        found = connection.execute(
            select(
                func.count(),
                length,
                func.count().filter(some.c.now),
                func.coalesce(func.sum(some.c.length).filter(some.c.now), 0),
            ).select_from(some)
        ).one()
        counts = [a + int(b) for a, b in zip(counts, found, strict=True)]
        exact = exact and found[0] < COUNTED
    return EndsEarlier(counts[0], counts[1], counts[2], counts[3], exact=exact)
