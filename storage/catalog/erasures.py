"""Erasures: fenced, planned in bounded batches, complete when every object is gone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.events import NewErasure
from storage.model import ErasureState, ScopeKind

e = t.erasure.c


@dataclass(frozen=True, slots=True)
class OpenErasure:
    """An erasure whose rows are to be deleted. Events minted after ``spared_from`` are left."""

    id: UUID
    tenant: str
    scope: ScopeKind
    match_values: tuple[bytes, ...]
    cutoff: datetime
    spared_from: datetime | None
    awaited: bool


Left = tuple[int, date | None]
"""How many events an erasure leaves, and the last day of those."""


def add(connection: Connection, new: NewErasure, now: datetime, left: Left) -> bool:
    """Insert the erasure and its fences. The caller owns the tenant's lock.

    False: the erasure exists already and stays as it is.
    """
    kept, kept_until = left
    inserted = connection.scalar(
        insert(t.erasure)
        .values(
            id=new.id,
            tenant=new.tenant,
            scope=new.scope,
            match_values=list(new.match_values),
            reason=new.reason,
            ticket=new.ticket,
            state=ErasureState.FENCED,
            requested=new.requested,
            cutoff=new.cutoff,
            spared_from=new.spared_from,
            fenced=max(now, new.requested),
            kept=kept,
            kept_until=kept_until,
        )
        .on_conflict_do_nothing()
        .returning(e.id)
    )
    if inserted is None:
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
                "spared_from": new.spared_from,
            }
            for value in new.match_values or (b"",)
        ],
    )
    return True


def opened(new: NewErasure) -> OpenErasure:
    """Return a new erasure as one whose rows are to be deleted."""
    values = tuple(new.match_values)
    return OpenErasure(
        new.id, new.tenant, new.scope, values, new.cutoff, new.spared_from, awaited=False
    )


def note_left(connection: Connection, erasure: UUID, left: Left) -> None:
    """Note what the erasure leaves now."""
    kept, until = left
    connection.execute(update(t.erasure).where(e.id == erasure).values(kept=kept, kept_until=until))


def to_plan() -> Select[UUID]:
    """SQL: erasures whose rows are still to be deleted."""
    return select(e.id).where(e.state == ErasureState.FENCED)


def lock_next_to_plan(connection: Connection) -> OpenErasure | None:
    """Lock and return the oldest erasure to plan, unless another worker has it."""
    row = connection.execute(
        to_plan()
        .with_only_columns(
            e.id, e.tenant, e.scope, e.match_values, e.cutoff, e.spared_from, e.awaited
        )
        .order_by(e.requested)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    return OpenErasure(row[0], row[1], ScopeKind(row[2]), tuple(row[3] or ()), *row[4:])


def has_unplanned(connection: Connection, before: datetime) -> bool:
    """Return whether any erasure requested by then still has rows to delete."""
    return bool(connection.scalar(select(to_plan().where(e.requested <= before).exists())))


def oldest_late(
    connection: Connection, fenced_by: datetime, requested_by: datetime
) -> datetime | None:
    """Return the time of the oldest request that should be planned, or complete, by now."""
    query = select(func.min(e.requested)).where(
        or_(
            and_(e.state == ErasureState.FENCED, e.requested <= fenced_by),
            and_(e.state != ErasureState.COMPLETE, e.requested <= requested_by),
        )
    )
    oldest: datetime | None = connection.scalar(query)
    return oldest


def open_among(connection: Connection, erasures: Collection[UUID]) -> list[UUID]:
    """Return those of the erasures that are not complete. They stay so until the commit."""
    if not erasures:
        return []
    return list(
        connection.scalars(
            select(e.id)
            .where(e.id.in_(erasures), e.state != ErasureState.COMPLETE)
            .order_by(e.id)
            .with_for_update(read=True)
        )
    )


def add_deleted(connection: Connection, erasure: UUID, deleted: int) -> None:
    """Add to the number of deleted records."""
    connection.execute(update(t.erasure).where(e.id == erasure).values(deleted=e.deleted + deleted))


def mark_planned(connection: Connection, erasure: UUID, now: datetime) -> None:
    """Record that all rows are deleted. The match values are cleared; the fence keeps them."""
    connection.execute(
        update(t.erasure)
        .where(e.id == erasure)
        .values(state=ErasureState.PURGING, planned=now, match_values=None)
    )


def mark_complete(connection: Connection, erasure: UUID, token: str, now: datetime) -> None:
    """Store the receipt, and delete the notes of what the erasure waited for."""
    connection.execute(insert(t.receipt).values(erasure_id=erasure, token=token, issued=now))
    connection.execute(t.erasure_object.delete().where(t.erasure_object.c.erasure_id == erasure))
    connection.execute(t.erasure_copy.delete().where(t.erasure_copy.c.erasure_id == erasure))
    connection.execute(
        update(t.erasure).where(e.id == erasure).values(state=ErasureState.COMPLETE, completed=now)
    )


def old(before: datetime) -> Select[UUID]:
    """SQL: erasures that were complete before then, as ``prune`` selects them."""
    return select(e.id).where(
        e.state == ErasureState.COMPLETE,
        e.completed < before,
        ~exists().where(t.fence.c.erasure_id == e.id),
    )


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete a batch of old erasures with their receipts, oldest first; return the count.

    A function of the catalog does it: no login may delete a receipt itself.
    """
    return connection.scalar(select(func.forget_erasures(before, limit))) or 0


def page(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Return ids of erasures, newest first, that come after one of them."""
    query = select(e.id).order_by(e.id.desc()).limit(limit)
    return list(connection.scalars(query if after is None else query.where(e.id < after)))
