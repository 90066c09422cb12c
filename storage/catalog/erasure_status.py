"""How far an erasure is, what it waits for and where, and the evidence for its receipt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Select,
    Text,
    any_,
    case,
    func,
    literal,
    select,
    union,
)

from regions.fields import Located
from storage.catalog import sweeps, training
from storage.catalog import tables as t
from storage.catalog.erasure_waits import is_harmless, not_noted, waits_for_nothing
from storage.catalog.kinds import ObjectState
from storage.model import (
    CopyState,
    DataClass,
    Deferral,
    Erasure,
    ErasureState,
    Kept,
    Outstanding,
    Reason,
    ReplicaState,
    ScopeKind,
)

e, eo, o, r = t.erasure.c, t.erasure_object.c, t.object_.c, t.replica.c
ec, pc = t.erasure_copy.c, t.processor_copy.c

# earlier code stored ``how`` alone: this is the least that it can mean
_OBJECT_ONLY: ColumnElement[list[str]] = literal(["object"], ARRAY(Text))
_NOT_LISTED = case(
    (r.how == "attested", literal(["upload", "version"], ARRAY(Text))),
    else_=literal([], ARRAY(Text)),
)
_KINDS = func.coalesce(r.seen, _OBJECT_ONLY), func.coalesce(r.attested, _NOT_LISTED)


@dataclass(frozen=True, slots=True)
class Facts:
    """A planned erasure, as its receipt names it."""

    tenant: str
    scope: ScopeKind
    reason: Reason
    requested: datetime
    fenced: datetime
    planned: datetime
    deleted: int
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A replica that is gone: where, when, and how its absence is known.

    ``seen`` and ``attested`` are kinds of trace. ``sub_processor``, ``located`` and ``control``
    are None if earlier code did not store them, ``posture`` also if the backend has none.
    """

    object_id: UUID
    backend: str
    sub_processor: str | None
    located: Located | None
    seen: tuple[str, ...]
    attested: tuple[str, ...]
    gone_at: datetime
    control: UUID | None
    posture: dict[str, object] | None


def to_complete() -> Select[UUID]:
    """SQL: planned erasures that wait for nothing any more."""
    return select(e.id).where(e.state == ErasureState.PURGING, waits_for_nothing())


def lock_to_complete(connection: Connection, limit: int) -> list[UUID]:
    """Lock and return a batch of erasures to complete, oldest first."""
    query = to_complete().order_by(e.requested).limit(limit).with_for_update(skip_locked=True)
    return list(connection.scalars(query))


def facts(connection: Connection, erasure: UUID) -> Facts:
    """Return what a receipt says about the request."""
    row = connection.execute(
        select(
            e.tenant,
            e.scope,
            e.reason,
            e.requested,
            func.coalesce(e.fenced, e.requested),
            e.planned,
            e.deleted,
            e.kept,
            e.kept_until,
        ).where(e.id == erasure)
    ).one()
    return Facts(row[0], ScopeKind(row[1]), Reason(row[2]), *row[3:7], _kept(*row[7:]))


def evidence(connection: Connection, erasure: UUID) -> list[Evidence]:
    """Return every replica that had to go for this erasure."""
    rows = connection.execute(
        select(
            r.object_id,
            r.backend,
            r.sub_processor,
            r.located,
            *_KINDS,
            r.gone_at,
            r.control,
            r.posture,
        )
        .join(t.object_, o.id == r.object_id)
        .join(t.erasure_object, eo.object_id == o.id)
        .where(eo.erasure_id == erasure, o.state == ObjectState.GONE, r.state == ReplicaState.GONE)
        .order_by(r.object_id, r.backend, r.gone_at)
    )
    return [Evidence(*x[:4], tuple(x[4]), tuple(x[5]), *x[6:]) for x in rows]


def show(connection: Connection, region: str, ids: Sequence[UUID]) -> list[Erasure]:
    """Return erasures, oldest first, with what is left of each, where, and what defers it."""
    rows = connection.execute(
        select(t.erasure, t.receipt.c.token)
        .outerjoin(t.receipt, t.receipt.c.erasure_id == e.id)
        .where(e.id == any_(literal(list(ids), ARRAY(e.id.type))))
        .order_by(e.requested, e.id)
    ).all()
    found = [row.id for row in rows]
    left, deferred = _outstanding(connection, found), _deferred(connection, found)
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
            _kept(row.kept, row.kept_until),
        )
        for row in rows
    ]


def _kept(records: int, until: date | None) -> tuple[Kept, ...]:
    """Return what an erasure leaves: only events have a floor."""
    return (Kept(DataClass.EVENT, records, until),) if records else ()


def _deferred(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Deferral]]:
    """Return what holds keep, or have kept, of each erasure, oldest first."""
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


def _outstanding(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Outstanding]]:
    """Return what each erasure waits for, by backend, by processor and by run."""
    found: dict[UUID, list[Outstanding]] = {}
    replicas, copies = _outstanding_on_backends(ids), _outstanding_at_processors(ids)
    runs = training.outstanding(ids)
    for query in (replicas, copies, runs, sweeps.outstanding(ids)):
        for x in connection.execute(query):
            found.setdefault(x[0], []).append(Outstanding(x[1], x[2], x[3], x[4]))
    return found


def _outstanding_on_backends(ids: Sequence[UUID]) -> Select[UUID, str, int, str, datetime]:
    noted = (
        select(eo.erasure_id, eo.object_id)
        .join(t.object_, o.id == eo.object_id)
        .where(eo.erasure_id.in_(ids), ~is_harmless())
    )
    others = [
        select(e.id, o.id)
        .join(t.object_, some)
        .where(e.id.in_(ids), e.state == ErasureState.PURGING)
        for some in not_noted()
    ]
    waiting = union(noted, *others).subquery().c
    return (
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


def _outstanding_at_processors(ids: Sequence[UUID]) -> Select[UUID, str, int, str, datetime]:
    return (
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
