"""Objections of tenants to companies, and what is left at those companies."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CompoundSelect,
    Connection,
    Select,
    Text,
    and_,
    any_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.copies import left_at
from storage.catalog.counting import count_up_to
from storage.catalog.engine import own_tenant
from storage.catalog.erasure_waits import is_harmless
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import StoredObject
from storage.catalog.tables import Moment
from storage.model import Objection, ReplicaState

f, n, o, r = t.objection_in_force.c, t.objection.c, t.object_.c, t.replica.c

COUNTED = 1_000_000
_CLOCKS = timedelta(seconds=1)  # more than the clocks of two processes may differ
_SHARED = (ObjectKind.PACK, ObjectKind.DAY_KEY)


@dataclass(frozen=True, slots=True)
class InForce:
    """An objection in force.

    ``gone``: since when nothing is at the company. ``look_at``: when a worker looks next.
    """

    tenant: str
    company: str
    since: datetime
    gone: datetime | None
    look_at: datetime


def add(
    connection: Connection, tenant: str, company: str, *, by: str, ticket: str, now: datetime
) -> bool:
    """Note an objection, with new terms of the tenant. False: it is in force already.

    The caller owns the tenant, so no write of it is announced or committed meanwhile.
    """
    if company in of_tenant(connection, tenant):
        return False
    new = {"tenant": tenant, "company": company, "since": now, "look_at": now}
    connection.execute(insert(t.objection_in_force).values(**new))
    _note(connection, "objected", tenant, company, by=by, ticket=ticket, now=now)
    return True


def withdraw(
    connection: Connection, tenant: str, company: str, *, by: str, ticket: str, now: datetime
) -> bool:
    """End an objection, with new terms of the tenant. False: none is in force."""
    own_tenant(connection, tenant)
    ended = connection.execute(
        delete(t.objection_in_force).where(f.tenant == tenant, f.company == company)
    )
    if ended.rowcount == 1:
        _note(connection, "withdrawn", tenant, company, by=by, ticket=ticket, now=now)
    return ended.rowcount == 1


def _note(
    connection: Connection,
    kind: str,
    tenant: str,
    company: str,
    *,
    by: str,
    ticket: str,
    now: datetime,
) -> None:
    event = {"kind": kind, "tenant": tenant, "company": company, "actor": by, "ticket": ticket}
    connection.execute(insert(t.objection).values(**event, at=now))
    connection.execute(
        update(t.tenant).where(t.tenant.c.id == tenant).values(version=t.tenant.c.version + 1)
    )


def old(before: datetime) -> Select[str, str]:
    """SQL: tenants and companies with an objection that was withdrawn before then."""
    ended = select(n.tenant, n.company).where(n.kind == "withdrawn", n.at < before)
    return ended.group_by(n.tenant, n.company)


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget a batch of objections that ended before then; return how many."""
    return connection.scalar(select(func.forget_objections(literal(before, Moment), limit))) or 0


def of_tenant(connection: Connection, tenant: str) -> frozenset[str]:
    """Return the companies that a tenant objects to."""
    return of_tenants(connection, [tenant]).get(tenant, frozenset())


def of_tenants(connection: Connection, ids: Collection[str]) -> dict[str, frozenset[str]]:
    """Return the companies that tenants object to, of those that object to any."""
    found: dict[str, set[str]] = {}
    among = f.tenant == any_(literal(list(ids), ARRAY(Text)))
    rows = connection.execute(select(f.tenant, f.company).where(among))
    for tenant, company in rows:
        found.setdefault(tenant, set()).add(company)
    return {tenant: frozenset(companies) for tenant, companies in found.items()}


def history(connection: Connection, tenant: str) -> list[Objection]:
    """Return the objections of a tenant, oldest first, also those that were withdrawn."""
    current: dict[str, int] = {}
    found: list[Objection] = []
    rows = connection.execute(select(t.objection).where(n.tenant == tenant).order_by(n.number))
    for x in rows:
        if x.kind == "objected":
            current[x.company] = len(found)
            found.append(Objection(x.company, x.actor, x.ticket, x.at))
            continue
        at = current.pop(x.company)
        was = found[at]
        found[at] = Objection(
            was.company,
            was.by,
            was.ticket,
            was.at,
            withdrawn=x.at,
            withdrawn_by=x.actor,
            withdrawn_ticket=x.ticket,
        )
    return found


def in_force(connection: Connection, tenant: str) -> list[InForce]:
    """Return the objections of a tenant that are in force."""
    query = select(f.tenant, f.company, f.since, f.gone, f.look_at).where(f.tenant == tenant)
    return [InForce(*row) for row in connection.execute(query)]


def all_in_force(connection: Connection, after: str, limit: int) -> list[tuple[InForce, str, str]]:
    """Return the objections in force of so many tenants, by ascending id, after one.

    Each with who decided it, and the ticket.
    """
    ids = select(f.tenant.label("id")).distinct().where(f.tenant > after)
    some = ids.order_by(f.tenant).limit(limit).subquery()
    newest = (
        select(n.actor, n.ticket)
        .where(n.tenant == f.tenant, n.company == f.company, n.kind == "objected")
        .order_by(n.number.desc())
        .limit(1)
        .lateral()
    )
    query = (
        select(f.tenant, f.company, f.since, f.gone, f.look_at, newest.c.actor, newest.c.ticket)
        .join(some, some.c.id == f.tenant)
        .join(newest, true())
        .order_by(f.tenant, f.company)
    )
    return [(InForce(*row[:5]), row[5], row[6]) for row in connection.execute(query)]


def companies_avoided(connection: Connection, known: StoredObject) -> frozenset[str]:
    """Return the companies to which a tenant objects that has bytes in an object, or uses a key.

    Ledger entries and canaries have no bytes of a tenant.
    """
    if known.tenant is not None:
        return of_tenant(connection, known.tenant)
    of = t.record.c.object_id if known.kind is ObjectKind.PACK else t.record.c.key_id
    if known.kind not in (ObjectKind.PACK, ObjectKind.DAY_KEY):
        return frozenset()
    concerned = exists().where(
        t.record.c.expiry_day == known.day, t.record.c.tenant == f.tenant, of == known.id
    )
    return frozenset(connection.scalars(select(f.company).distinct().where(concerned)))


def due(now: datetime) -> Select[str, str]:
    """SQL: objections in force for which it is time to look for what is left."""
    return select(f.tenant, f.company).where(f.look_at <= now)


def claim(connection: Connection, now: datetime, lease: datetime) -> InForce | None:
    """Lease one objection that is due until ``lease``."""
    some = due(now).order_by(f.look_at).limit(1).with_for_update(skip_locked=True).subquery()
    row = connection.execute(
        update(t.objection_in_force)
        .where(f.tenant == some.c.tenant, f.company == some.c.company)
        .values(look_at=lease)
        .returning(f.tenant, f.company, f.since, f.gone, f.look_at)
    ).one_or_none()
    return None if row is None else InForce(*row)


def looked(
    connection: Connection, found: InForce, *, gone: datetime | None, look_at: datetime
) -> None:
    """Set since when nothing is at the company, and when to look again."""
    connection.execute(
        update(t.objection_in_force)
        .where(f.tenant == found.tenant, f.company == found.company)
        .values(gone=gone, look_at=look_at)
    )


def to_move(
    connection: Connection, tenant: str, backends: Collection[str], now: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Return stored replicas of a tenant on backends, each with its object.

    Those that were tried in vain come again later.
    """
    ready = or_(r.next_attempt.is_(None), r.next_attempt <= now)
    stored = _at(_objects_of(tenant), backends).where(r.state == ReplicaState.STORED, ready)
    return [(row[0], row[1]) for row in connection.execute(stored.limit(limit))]


def count_left(connection: Connection, found: InForce, backends: Collection[str]) -> int:
    """Return how many replicas and copies of a tenant are at a company, up to a million.

    Those that no record needs count too, until they are gone: of what was erased or has expired,
    and of writes that were refused at their commit.
    """
    objects = union_all(_objects_of(found.tenant), *_without_rows(found))
    replicas = _at(objects, backends).where(r.state != ReplicaState.GONE)
    copies = left_at(found.tenant, found.company)
    return count_up_to(connection, replicas, COUNTED) + count_up_to(connection, copies, COUNTED)


def _at(objects: CompoundSelect[UUID], backends: Collection[str]) -> Select[UUID, UUID]:
    """SQL: replicas of objects on backends."""
    named = r.backend == any_(literal(list(backends), t.object_.c.backends.type))
    return select(r.id, r.object_id).where(r.object_id.in_(objects), named)


def _objects_of(tenant: str) -> CompoundSelect[UUID]:
    """SQL: the objects and keys that a tenant's records need, and the keys that are its own."""
    tables = (t.record, t.file, t.held)
    needs: Sequence[Select[UUID]] = [
        select(column).where(table.c.tenant == tenant)
        for table in tables
        for column in (table.c.object_id, table.c.key_id)
    ]
    own = select(t.day_key.c.object_id).where(t.day_key.c.tenant == tenant)
    return union_all(*needs, own)


def _without_rows(found: InForce) -> Iterator[Select[UUID]]:
    """SQL: the objects that may have bytes of a tenant, though none of its rows needs them.

    No row says whose bytes an old shared object has. So each counts that was announced before the
    objection, until nothing is left for the first time: what is purged later was needed then.
    """
    e, eo = t.erasure.c, t.erasure_object.c
    erased = select(eo.object_id).join(t.erasure, e.id == eo.erasure_id)
    noted = erased.join(t.object_, o.id == eo.object_id).where(e.tenant == found.tenant)
    yield noted.where(~is_harmless())
    whose = o.tenant == found.tenant
    if found.gone is None:
        old = o.announced <= found.since + _CLOCKS
        whose |= and_(o.tenant.is_(None), o.kind.in_(_SHARED), old)
    yield select(o.id).where(o.state == ObjectState.WRITING, whose)
    purging = select(o.id).join(t.replica, r.object_id == o.id)
    yield purging.where(r.state == ReplicaState.PURGING, whose)


def count_overdue(connection: Connection, companies: dict[str, datetime], most: int) -> int:
    """Return how many objections are not done that are older than the moment of their company."""
    late = [(f.company == name) & (f.since < before) for name, before in sorted(companies.items())]
    query = select(f.tenant).where(f.gone.is_(None), or_(False, *late))
    return count_up_to(connection, query, most)


def count_moving(connection: Connection, most: int) -> int:
    """Return how many objections are in force of which something is left at the company."""
    return count_up_to(connection, select(f.tenant).where(f.gone.is_(None)), most)
