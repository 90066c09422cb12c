"""Erasures: fenced, planned in bounded batches, complete when every object is gone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.objects import ObjectKind, ObjectState
from storage.events import NewErasure
from storage.model import (
    CopyState,
    Deferral,
    Erasure,
    ErasureState,
    Outstanding,
    Reason,
    ReplicaState,
    ScopeKind,
)

e, eo, f, o, r = t.erasure.c, t.erasure_object.c, t.fence.c, t.object_.c, t.replica.c
ec, pc = t.erasure_copy.c, t.processor_copy.c

_CONTENT = (ObjectKind.PACK, ObjectKind.FILE_KEY, ObjectKind.HELD, ObjectKind.HOLD_KEY)

# former code noted ``how`` alone: of that, the least that it can mean
_OBJECT_ONLY: ColumnElement[list[str]] = literal(["object"], ARRAY(Text))
_NOT_LISTED = case(
    (r.how == "attested", literal(["upload", "version"], ARRAY(Text))),
    else_=literal([], ARRAY(Text)),
)
_NOTED = func.coalesce(r.seen, _OBJECT_ONLY), func.coalesce(r.attested, _NOT_LISTED)


@dataclass(frozen=True, slots=True)
class OpenErasure:
    """An erasure that a worker has taken."""

    id: UUID
    tenant: str
    scope: ScopeKind
    sought: tuple[bytes, ...]
    cutoff: datetime
    awaited: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """A planned erasure."""

    tenant: str
    scope: ScopeKind
    reason: Reason
    requested: datetime
    fenced: datetime
    planned: datetime
    deleted: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One replica that is gone: where, when, and how that is known, as it was noted then.

    ``seen`` and ``attested`` are kinds of trace. ``sub_processor`` is None if former code noted it.
    """

    object_id: UUID
    backend: str
    sub_processor: str | None
    seen: tuple[str, ...]
    attested: tuple[str, ...]
    gone_at: datetime


def add(connection: Connection, new: NewErasure, now: datetime) -> bool:
    """Insert the erasure and its fences. The caller owns the tenant's lock.

    False: it is there already, however far it is, and stays as it is.
    """
    new_here = connection.scalar(
        insert(t.erasure)
        .values(
            id=new.id,
            tenant=new.tenant,
            scope=new.scope,
            sought=list(new.sought),
            reason=new.reason,
            ticket=new.ticket,
            state=ErasureState.FENCED,
            requested=new.requested,
            cutoff=new.cutoff,
            fenced=max(now, new.requested),
        )
        .on_conflict_do_nothing()
        .returning(e.id)
    )
    if new_here is None:
        return False
    connection.execute(
        insert(t.fence),
        [
            {
                "tenant": new.tenant,
                "scope": new.scope,
                "value": value,
                "erasure_id": new.id,
                "cutoff": new.cutoff,
                "until": new.until,
            }
            for value in new.sought or (b"",)
        ],
    )
    return True


def take_fenced(connection: Connection) -> OpenErasure | None:
    """The oldest erasure that is still to be planned and that no other worker has."""
    row = connection.execute(
        select(e.id, e.tenant, e.scope, e.sought, e.cutoff, e.awaited)
        .where(e.state == ErasureState.FENCED)
        .order_by(e.requested)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    return OpenErasure(row[0], row[1], ScopeKind(row[2]), tuple(row[3] or ()), row[4], row[5])


def await_writers(connection: Connection, erasure: OpenErasure) -> None:
    """Note every object that may hold what the fence covers, and of which no row tells.

    That is what was being written when the fence was committed (what is announced later has been
    checked against the fence before a byte of it was sent), and what was given up before it was
    stored and is not gone yet.
    """
    writing = select(literal(erasure.id), o.id, literal(False)).where(
        or_(
            o.state == ObjectState.WRITING,
            and_(o.state == ObjectState.PURGING, o.size.is_(None)),
        ),
        o.kind.in_(_CONTENT),
        or_(o.tenant.is_(None), o.tenant == erasure.tenant),
    )
    connection.execute(
        insert(t.erasure_object)
        .from_select(["erasure_id", "object_id", "holds_ranges"], writing)
        .on_conflict_do_nothing()
    )
    connection.execute(update(t.erasure).where(e.id == erasure.id).values(awaited=True))


def await_earlier(connection: Connection, erasure: OpenErasure) -> None:
    """Note what other erasures still wait for whose scope may overlap: it holds covered bytes.

    Asked when all rows are deleted: what another one deleted of them, it has noted by then. Two
    subjects or two groups do not overlap; of two records one may derive from the other.
    """
    own, other = t.fence.alias("own"), t.fence.alias("other")
    overlapping = (
        select(other.c.erasure_id)
        .join(own, own.c.tenant == other.c.tenant)
        .where(own.c.erasure_id == erasure.id, other.c.erasure_id != erasure.id)
        .where(
            or_(
                own.c.scope != other.c.scope,
                own.c.scope == ScopeKind.RECORD,
                own.c.value == other.c.value,
            )
        )
    )
    earlier = (
        select(literal(erasure.id), eo.object_id, func.bool_or(eo.holds_ranges))
        .where(eo.erasure_id.in_(overlapping))
        .group_by(eo.object_id)
    )
    query = insert(t.erasure_object).from_select(
        ["erasure_id", "object_id", "holds_ranges"], earlier
    )
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["erasure_id", "object_id"],
            set_={"holds_ranges": or_(eo.holds_ranges, query.excluded.holds_ranges)},
        )
    )


def unplanned(connection: Connection, before: datetime) -> bool:
    """Whether the rows of any erasure that was requested by then are still to be deleted."""
    query = select(exists().where(e.state == ErasureState.FENCED, e.requested <= before))
    return bool(connection.scalar(query))


def oldest_late(
    connection: Connection, fenced_by: datetime, requested_by: datetime
) -> datetime | None:
    """When the oldest erasure was asked for that should be planned, or complete, by now."""
    query = select(func.min(e.requested)).where(
        or_(
            and_(e.state == ErasureState.FENCED, e.requested <= fenced_by),
            and_(e.state != ErasureState.COMPLETE, e.requested <= requested_by),
        )
    )
    oldest: datetime | None = connection.scalar(query)
    return oldest


def await_objects(connection: Connection, erasure: UUID, objects: Collection[UUID]) -> None:
    """The erasure waits until these objects are gone, and all that share bytes with them.

    A compaction shares bytes with what it copies, for as long as either is on a backend. What was
    carried out of a pack, and is there to stay, has only what rows of its own tell of. One that is
    gone already is noted too: the receipt says so.
    """
    if not objects:
        return
    families = select(o.family).where(o.id.in_(objects))
    carried = and_(o.kind == ObjectKind.HELD, o.state == ObjectState.STORED, o.id.not_in(objects))
    sharing = select(literal(erasure), o.id, literal(True)).where(
        o.family.in_(families), or_(o.state != ObjectState.GONE, o.id.in_(objects)), ~carried
    )
    query = insert(t.erasure_object).from_select(
        ["erasure_id", "object_id", "holds_ranges"], sharing
    )
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["erasure_id", "object_id"], set_={"holds_ranges": True}
        )
    )


def open_among(connection: Connection, erasures: Collection[UUID]) -> list[UUID]:
    """Those of the erasures that are not complete; they stay so until the transaction ends."""
    return list(
        connection.scalars(
            select(e.id)
            .where(e.id.in_(erasures), e.state != ErasureState.COMPLETE)
            .order_by(e.id)
            .with_for_update(read=True)
        )
    )


def count(connection: Connection, erasure: UUID, deleted: int) -> None:
    """So many more records are deleted."""
    connection.execute(update(t.erasure).where(e.id == erasure).values(deleted=e.deleted + deleted))


def mark_planned(connection: Connection, erasure: UUID, now: datetime) -> None:
    """All rows are gone. The erasure forgets whom it was about; the fence, a while later."""
    connection.execute(
        update(t.erasure)
        .where(e.id == erasure)
        .values(state=ErasureState.PURGING, planned=now, sought=None)
    )


def take_complete(connection: Connection, limit: int) -> list[UUID]:
    """Planned erasures that wait for nothing any more, locked."""
    waiting = exists().where(
        eo.erasure_id == e.id,
        o.id == eo.object_id,
        o.state != ObjectState.GONE,
        ~and_(~eo.holds_ranges, o.state == ObjectState.STORED),
    )
    at_processors = exists().where(
        ec.erasure_id == e.id, pc.id == ec.copy_id, pc.state != CopyState.CONFIRMED
    )
    return list(
        connection.scalars(
            select(e.id)
            .where(e.state == ErasureState.PURGING, ~waiting, ~at_processors)
            .where(~exists().where(_expired()), ~exists().where(_let_go()))
            .where(~exists().where(_untold()))
            .order_by(e.requested)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )


def _expired() -> ColumnElement[bool]:
    """SQL: an object of a day that was over when the erasure was planned, and is not gone.

    The rows of that day may have been dropped before the erasure could read them, so it may hold
    what the erasure covers. It is on its way out, and gone soon.
    """
    return and_(
        o.day <= func.date(func.timezone("UTC", e.planned)),
        o.kind == ObjectKind.PACK,
        o.state != ObjectState.GONE,
        or_(o.tenant.is_(None), o.tenant == e.tenant),
    )


def _let_go() -> ColumnElement[bool]:
    """SQL: an object of the tenant that a hold kept and has let go, in part or in whole.

    The rows may be deleted already, so here too only the object itself says that bytes are left.
    """
    return and_(
        o.kind.in_((ObjectKind.HELD, ObjectKind.HOLD_KEY)),
        o.tenant == e.tenant,
        or_(o.state == ObjectState.PURGING, o.compact_at.is_not(None)),
    )


def _untold() -> ColumnElement[bool]:
    """SQL: an entry of the ledger that was on its way when the erasure was fenced, and still is.

    If the server was set back since, it may tell of a copy that a processor has.
    """
    return and_(
        o.kind == ObjectKind.LEDGER,
        o.state == ObjectState.WRITING,
        o.announced <= func.coalesce(e.fenced, e.requested),
    )


def facts(connection: Connection, erasure: UUID) -> Facts:
    """What a receipt says of the request itself."""
    row = connection.execute(
        select(
            e.tenant,
            e.scope,
            e.reason,
            e.requested,
            func.coalesce(e.fenced, e.requested),
            e.planned,
            e.deleted,
        ).where(e.id == erasure)
    ).one()
    return Facts(row[0], ScopeKind(row[1]), Reason(row[2]), *row[3:])


def evidence(connection: Connection, erasure: UUID) -> list[Evidence]:
    """Every replica that had to go for this erasure."""
    rows = connection.execute(
        select(r.object_id, r.backend, r.sub_processor, *_NOTED, r.gone_at)
        .join(t.object_, o.id == r.object_id)
        .join(t.erasure_object, eo.object_id == o.id)
        .where(eo.erasure_id == erasure, o.state == ObjectState.GONE, r.state == ReplicaState.GONE)
        .order_by(r.object_id, r.backend, r.gone_at)
    )
    return [Evidence(x[0], x[1], x[2], tuple(x[3]), tuple(x[4]), x[5]) for x in rows]


def complete(connection: Connection, erasure: UUID, token: str, now: datetime) -> None:
    """Keep the receipt, and wait for nothing any more."""
    connection.execute(insert(t.receipt).values(erasure_id=erasure, token=token, issued=now))
    connection.execute(t.erasure_object.delete().where(eo.erasure_id == erasure))
    connection.execute(t.erasure_copy.delete().where(ec.erasure_id == erasure))
    connection.execute(
        update(t.erasure).where(e.id == erasure).values(state=ErasureState.COMPLETE, completed=now)
    )


def await_orphan(connection: Connection, object_id: UUID) -> None:
    """Every erasure that is not complete waits for this object: nobody knows what it holds."""
    waiting = select(e.id, literal(object_id), literal(False)).where(
        e.state != ErasureState.COMPLETE
    )
    connection.execute(
        insert(t.erasure_object)
        .from_select(["erasure_id", "object_id", "holds_ranges"], waiting)
        .on_conflict_do_nothing()
    )


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget erasures that were complete before then, with their receipts, the oldest first.

    By a function of the catalog: nobody's login may delete a receipt by itself.
    """
    return connection.scalar(select(func.forget_erasures(before, limit))) or 0


def show(connection: Connection, region: str, ids: Sequence[UUID]) -> list[Erasure]:
    """Erasures, with what is left of each and where."""
    rows = connection.execute(
        select(t.erasure, t.receipt.c.token)
        .outerjoin(t.receipt, t.receipt.c.erasure_id == e.id)
        .where(e.id == any_(literal(list(ids), ARRAY(e.id.type))))
        .order_by(e.requested, e.id)
    ).all()
    found = [row.id for row in rows]
    left, deferred = _left(connection, found), _deferred(connection, found)
    return [
        Erasure(
            row.id,
            region,
            row.tenant,
            ScopeKind(row.scope),
            Reason(row.reason),
            ErasureState(row.state),
            row.requested,
            row.fenced or row.requested,
            row.completed,
            row.deleted,
            tuple(left.get(row.id, ())),
            row.token,
            tuple(deferred.get(row.id, ())),
        )
        for row in rows
    ]


def page(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Ids of erasures, newest first, before one of them."""
    query = select(e.id).order_by(e.id.desc()).limit(limit)
    return list(connection.scalars(query if after is None else query.where(e.id < after)))


def _deferred(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Deferral]]:
    """What holds keep, or have kept, of each, in the order in which that began."""
    c = t.deferral.c
    rows = connection.execute(
        select(c.erasure_id, c.hold_id, c.records, c.since, c.until)
        .where(c.erasure_id.in_(ids))
        .order_by(c.since, c.hold_id)
    )
    found: dict[UUID, list[Deferral]] = {}
    for erasure, *rest in rows:
        found.setdefault(erasure, []).append(Deferral(*rest))
    return found


def _left(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Outstanding]]:
    noted = (
        select(eo.erasure_id, eo.object_id)
        .join(t.object_, o.id == eo.object_id)
        .where(eo.erasure_id.in_(ids), ~and_(~eo.holds_ranges, o.state == ObjectState.STORED))
    )
    unread = [
        select(e.id, o.id)
        .join(t.object_, some)
        .where(e.id.in_(ids), e.state == ErasureState.PURGING)
        for some in (_expired(), _let_go(), _untold())
    ]
    waiting = union(noted, *unread).subquery().c
    rows = connection.execute(
        select(
            waiting.erasure_id,
            r.backend,
            func.count(),
            func.max(r.last_error),
            func.min(r.next_attempt),
        )
        .join(t.replica, r.object_id == waiting.object_id)
        .where(r.state != ReplicaState.GONE)
        .group_by(waiting.erasure_id, r.backend)
        .order_by(waiting.erasure_id, r.backend)
    )
    copies = connection.execute(
        select(
            ec.erasure_id,
            pc.processor,
            func.count(),
            func.max(pc.last_error),
            func.min(pc.next_attempt),
        )
        .join(t.processor_copy, pc.id == ec.copy_id)
        .where(ec.erasure_id.in_(ids), pc.state != CopyState.CONFIRMED)
        .group_by(ec.erasure_id, pc.processor)
        .order_by(ec.erasure_id, pc.processor)
    )
    found: dict[UUID, list[Outstanding]] = {}
    for erasure, *rest in [*rows, *copies]:
        found.setdefault(erasure, []).append(Outstanding(*rest))
    return found
