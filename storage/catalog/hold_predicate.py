"""What holds cover: SQL over the rows of ``record``, ``file`` and ``held``.

A hold is a predicate, so placing one writes no row per record; what it does not keep, its
carve-outs, is a predicate too. Ask in a statement after ``holds.share``: the answer then stays true
until the commit.

The role of a key service asks this too, and reads only ``id`` and ``account`` of ``tenant``: so say
``exists(id)`` there, for ``EXISTS (SELECT * ...)`` takes the right to every column.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Connection,
    Date,
    Integer,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    union_all,
)

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.model import ScopeKind

d, h, o, r, x = t.day.c, t.hold.c, t.object_.c, t.record.c, t.hold_carve_out.c

_OF_TENANT = (ScopeKind.TENANT, ScopeKind.SUBJECT, ScopeKind.GROUP, ScopeKind.RECORD)
_WIDE = (ScopeKind.ACCOUNT, ScopeKind.REGION)
_LATER_THAN_ALL = 2**62


def held(table: Table, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """SQL: whether a hold in force covers the row. ``where`` narrows the holds."""
    of_tenant = (_some(table, scope, *where) for scope in _OF_TENANT)
    return and_(_any_in_force(), or_(*of_tenant, _held_widely(table, *where)))


def _held_widely(table: Table, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """SQL: the same for holds on more than one tenant."""
    return and_(_any_wide(), or_(*(_some(table, scope, *where) for scope in _WIDE)))


def _some(table: Table, scope: ScopeKind, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    covers = and_(h.released.is_(None), _matches(table, scope), _placed_in_time(table), *where)
    return exists().where(covers).correlate_except(t.hold)


def covered(
    table: Table,
    column: ColumnElement[Any],
    *where: ColumnElement[bool],
    placed_in_time: bool = True,
) -> CompoundSelect[Any]:
    """SQL: a column of each row that a hold in force covers, once per hold.

    ``where`` narrows it. Not ``placed_in_time``: rows for which the hold was placed too late.
    """
    return _covered(table, column, (*_OF_TENANT, *_WIDE), *where, placed_in_time=placed_in_time)


def _covered(
    table: Table,
    column: ColumnElement[Any],
    scopes: Sequence[ScopeKind],
    *where: ColumnElement[bool],
    placed_in_time: bool = True,
) -> CompoundSelect[Any]:
    time = _placed_in_time(table) if placed_in_time else ~_placed_in_time(table)
    joined = (and_(h.released.is_(None), _matches(table, scope), time, *where) for scope in scopes)
    return union_all(*(select(column).select_from(t.hold).join(table, on) for on in joined))


def needed(connection: Connection, objects: Mapping[UUID, date | None]) -> set[UUID]:
    """Return those of the objects that held records need: their bytes, or the key around theirs.

    ``objects``: each with its expiry day.
    """
    if not connection.scalar(_in_force_at_all()):
        return set()
    days = sorted({day for day in objects.values() if day is not None})
    given = {"ids": list(objects), "days": days}
    return set(connection.scalars(_needed(), given))


@cache
def _needed() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    days = bindparam("days", type_=ARRAY(Date))
    on_day = r.expiry_day == any_(days)
    day_keys = exists().where(o.id == any_(ids), o.kind == ObjectKind.DAY_KEY)
    parts = [
        covered(t.record, r.object_id, on_day, r.object_id == any_(ids)),
        covered(t.record, r.key_id, on_day, r.key_id == any_(ids), day_keys),  # it has no index
    ]
    for table in (t.file, t.held):
        parts += [covered(table, c, c == any_(ids)) for c in (table.c.object_id, table.c.key_id)]
    some = union_all(*(part.subquery().select() for part in parts)).subquery()
    return select(some.c[0]).distinct()


def held_packs(connection: Connection, day: date, limit: int) -> list[UUID]:
    """Return packs of an expiry day that contain held records."""
    if not connection.scalar(_in_force_at_all()):
        return []
    return list(connection.scalars(_packs(), {"day": day, "limit": limit}))


@cache
def _in_force_at_all() -> Select[Any]:
    return select(_any_in_force())


@cache
def _packs() -> Select[Any]:
    day, limit = bindparam("day", type_=Date), bindparam("limit", type_=Integer)
    wide = select(o.id).where(
        o.day == day,
        o.kind == ObjectKind.PACK,
        or_(o.state == ObjectState.WRITING, o.state == ObjectState.STORED),
        _has_widely_held(o.id, day),
    )
    some = union_all(
        _packs_of_tenants(day).subquery().select(),
        wide.order_by(o.id).limit(limit).subquery().select(),
    ).subquery()
    return select(some.c[0]).distinct().order_by(some.c[0]).limit(limit)


def in_held_pack(pack: ColumnElement[Any], day: ColumnElement[date]) -> ColumnElement[bool]:
    """SQL: whether the pack of that day contains held records."""
    named = pack.in_(_packs_of_tenants(day))
    return and_(_any_in_force(), or_(named, _has_widely_held(pack, day)))


def _packs_of_tenants(day: ColumnElement[date]) -> CompoundSelect[Any]:
    """SQL: packs with what holds on one tenant cover, found from the holds."""
    return _covered(t.record, r.object_id, _OF_TENANT, r.expiry_day == day)


def _has_widely_held(pack: ColumnElement[Any], day: ColumnElement[date]) -> ColumnElement[bool]:
    """SQL: whether a hold on more than one tenant covers a record of the pack.

    Asked pack by pack, because such a hold may cover every record of the day: the first one of a
    pack is enough.
    """
    some = exists().where(r.expiry_day == day, r.object_id == pack, _held_widely(t.record))
    return and_(_any_wide(), some.correlate_except(t.record))


@cache
def _any_in_force() -> ColumnElement[bool]:
    """SQL: evaluated once per statement, so that a region without holds pays nothing per row."""
    other = t.hold.alias("any_hold")
    return exists().where(other.c.released.is_(None))


@cache
def _any_wide() -> ColumnElement[bool]:
    """SQL: the same for holds on more than one tenant."""
    other = t.hold.alias("any_wide_hold")
    return exists().where(other.c.released.is_(None), other.c.tenant.is_(None))


@cache
def _matches(table: Table, scope: ScopeKind) -> ColumnElement[bool]:
    """SQL: whether a hold of that scope matches the row. One index probe per scope."""
    c = table.c
    by: dict[ScopeKind, ColumnElement[bool]] = {
        ScopeKind.TENANT: true(),
        ScopeKind.SUBJECT: c.subject == any_(h.match_values),
        ScopeKind.GROUP: c.grp == any_(h.match_values),
        ScopeKind.RECORD: c.uid == any_(h.match_values),
        ScopeKind.ACCOUNT: in_account(c.tenant),
        ScopeKind.REGION: true(),
    }
    return and_(
        h.tenant.is_(None) if scope in _WIDE else h.tenant == c.tenant,
        h.scope == scope.value,
        by[scope],
        or_(h.classes.is_(None), c.data_class == any_(h.classes)),
        or_(h.minted_from.is_(None), c.minted >= h.minted_from),
        or_(h.minted_to.is_(None), c.minted < h.minted_to),
        or_(h.cutoff.is_(None), c.minted <= h.cutoff),
        ~_carved_out(table),
    )


def in_account(tenant: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQL: whether the hold is on the account of a tenant.

    A restored catalog may lack a tenant of which something is held. Nobody knows its account then,
    so each hold on an account covers it.
    """
    other = t.tenant.c
    elsewhere = exists(other.id).where(other.id == tenant, other.account != h.account)
    return ~elsewhere.correlate_except(t.tenant)


@cache
def _carved_out(table: Table) -> ColumnElement[bool]:
    """SQL: whether the hold does not keep the row, though it matches it."""
    c, of = table.c, t.tenant.c
    account = exists(of.id).where(of.id == c.tenant, of.account == any_(x.accounts))
    return (
        exists()
        .where(
            x.hold_id == h.id,
            or_(
                and_(x.tenants.is_(None), x.accounts.is_(None)),
                c.tenant == any_(x.tenants),
                account.correlate_except(t.tenant),
            ),
            or_(x.classes.is_(None), c.data_class == any_(x.classes)),
            or_(x.minted_from.is_(None), c.minted >= x.minted_from),
            or_(x.minted_to.is_(None), c.minted < x.minted_to),
        )
        .correlate_except(t.hold_carve_out)
    )


@cache
def _placed_in_time(table: Table) -> ColumnElement[bool]:
    """SQL: whether the hold was placed before the row's day began to expire."""
    if table is not t.record:
        return true()
    noted = select(d.holds).where(d.day == table.c.expiry_day).correlate(table).scalar_subquery()
    return h.number <= func.coalesce(noted, _LATER_THAN_ALL)
