"""What an erasure waits for before it is complete.

Objects that a row names, or that may contain what the erasure covers, are noted in
``erasure_object``, copies at processors in ``erasure_copy``. What no row names any more is asked
for again each time: objects of expired days, objects that a hold released, and ledger entries
that are not resolved. At the end it waits for a listing beside each replica that is gone.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog import training
from storage.catalog.erasures import OpenErasure
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.model import CopyState, ErasureState, ScopeKind

e, eo, o, r = t.erasure.c, t.erasure_object.c, t.object_.c, t.replica.c
ec, pc = t.erasure_copy.c, t.processor_copy.c

_CONTENT = [kind for kind in ObjectKind if kind.has_content]
_UNDER_HOLD = [kind for kind in ObjectKind if kind.under_hold]
_NOTE = ["erasure_id", "object_id", "holds_ranges"]


def await_writers(connection: Connection, erasure: OpenErasure) -> None:
    """Wait for every object that may contain what the fence covers, and that no row names.

    These are objects that were being written when the fence was committed (a later one checked the
    fence before it sent a byte), and objects that were abandoned and are not gone yet.
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
        insert(t.erasure_object).from_select(_NOTE, writing).on_conflict_do_nothing()
    )
    connection.execute(update(t.erasure).where(e.id == erasure.id).values(awaited=True))


def await_earlier(connection: Connection, erasure: OpenErasure) -> None:
    """Wait for what open erasures of overlapping scope wait for: it contains covered bytes.

    Call it when all rows are deleted: by then the others have noted what they deleted. Two
    subjects or two groups do not overlap. Of two records, one may derive from the other.
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
    query = insert(t.erasure_object).from_select(_NOTE, earlier)
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["erasure_id", "object_id"],
            set_={"holds_ranges": or_(eo.holds_ranges, query.excluded.holds_ranges)},
        )
    )


def await_objects(connection: Connection, erasure: UUID, objects: Collection[UUID]) -> None:
    """Wait until these objects are gone, and all objects that share bytes with them.

    A compaction shares bytes with its source as long as either exists. An object of relocated
    records that is stored has only what its own rows name. An object that is gone already is noted
    too, for the receipt.
    """
    if not objects:
        return
    families = select(o.family).where(o.id.in_(objects))
    relocated = and_(o.kind == ObjectKind.HELD, o.state == ObjectState.STORED, o.id.not_in(objects))
    sharing = select(literal(erasure), o.id, literal(True)).where(
        o.family.in_(families), or_(o.state != ObjectState.GONE, o.id.in_(objects)), ~relocated
    )
    query = insert(t.erasure_object).from_select(_NOTE, sharing)
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["erasure_id", "object_id"], set_={"holds_ranges": True}
        )
    )


def await_orphan(connection: Connection, object_id: UUID) -> None:
    """Make every erasure that is not complete wait for this object, whose content is unknown."""
    waiting = select(e.id, literal(object_id), literal(False)).where(
        e.state != ErasureState.COMPLETE
    )
    connection.execute(
        insert(t.erasure_object).from_select(_NOTE, waiting).on_conflict_do_nothing()
    )


def waits_for_nothing() -> ColumnElement[bool]:
    """SQL: whether a planned erasure waits for nothing any more."""
    noted = and_(eo.erasure_id == e.id, o.id == eo.object_id, r.object_id == o.id)
    return and_(all_is_gone(), ~exists().where(noted, is_unswept()))


def is_unswept() -> ColumnElement[bool]:
    """SQL: the object is gone, and no later listing beside this replica had a row for every key."""
    return and_(o.state == ObjectState.GONE, or_(r.swept.is_(None), r.swept < o.absence))


def all_is_gone() -> ColumnElement[bool]:
    """SQL: whether all that a planned erasure waits for has been seen absent, or is confirmed."""
    noted = exists().where(
        eo.erasure_id == e.id, o.id == eo.object_id, o.state != ObjectState.GONE, ~is_harmless()
    )
    at_processors = exists().where(
        ec.erasure_id == e.id, pc.id == ec.copy_id, pc.state != CopyState.CONFIRMED
    )
    others = (exists().where(some) for some in not_noted())
    return and_(~noted, ~at_processors, ~training.is_waited_for(), *(~other for other in others))


def is_harmless() -> ColumnElement[bool]:
    """SQL: the noted object was being written, and is stored now: it checked the fence."""
    return and_(~eo.holds_ranges, o.state == ObjectState.STORED)


def not_noted() -> tuple[ColumnElement[bool], ...]:
    """SQL: the objects that an erasure waits for without a note, one condition per reason."""
    return _expired_pack(), _released(), _unresolved_entry()


def _expired_pack() -> ColumnElement[bool]:
    """SQL: a pack of a day that was over when the erasure was planned, and that is not gone.

    The rows of that day may have been dropped before the erasure read them, so the pack may
    contain what the erasure covers.
    """
    return and_(
        o.day <= func.date(func.timezone("UTC", e.planned)),
        o.kind == ObjectKind.PACK,
        o.state != ObjectState.GONE,
        or_(o.tenant.is_(None), o.tenant == e.tenant),
    )


def _released() -> ColumnElement[bool]:
    """SQL: an object of the tenant that a hold kept and has released, in part or in whole.

    The rows may be deleted already, so only the object itself shows that bytes are left.
    """
    return and_(
        o.kind.in_(_UNDER_HOLD),
        o.tenant == e.tenant,
        or_(o.state == ObjectState.PURGING, o.compact_at.is_not(None)),
    )


def _unresolved_entry() -> ColumnElement[bool]:
    """SQL: a ledger entry announced before the erasure was fenced, and not resolved yet.

    If the catalog was restored since, the entry may name a copy that a processor has.
    """
    return and_(
        o.kind == ObjectKind.LEDGER,
        o.state == ObjectState.WRITING,
        o.announced <= func.coalesce(e.fenced, e.requested),
    )
