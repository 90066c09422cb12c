"""What writers left behind: objects that were never finished, and keys that no row uses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, exists, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import mark_for_purge
from storage.catalog.records import keys_in_use

o = t.object_.c


def stale(now: datetime) -> Select[UUID]:
    """SQL: objects still ``writing`` after their deadline.

    Ledger entries are excluded: their event may have been acknowledged before a restore.
    """
    return select(o.id).where(
        o.state == ObjectState.WRITING, o.deadline < now, o.kind != ObjectKind.LEDGER
    )


def abandon_stale(connection: Connection, now: datetime, limit: int) -> int:
    """Mark a batch of stale objects for purge, so that their writer cannot finish them.

    Return the count.
    """
    query = stale(now).order_by(o.deadline).limit(limit).with_for_update(skip_locked=True)
    return mark_for_purge(connection, connection.scalars(query).all(), now)


def unused_keys(kind: ObjectKind, before: datetime) -> Select[UUID]:
    """SQL: keys of that kind, announced before a moment, that no row uses."""
    return _unused(kind).where(o.announced < before)


def mark_unused_keys(
    connection: Connection, kind: ObjectKind, before: datetime, now: datetime, limit: int
) -> int:
    """Mark a batch of unused keys for purge; return the count."""
    return _mark_unused(connection, kind, unused_keys(kind, before).limit(limit), now)


def mark_unused_key(connection: Connection, key_id: UUID, now: datetime) -> None:
    """Mark one file key for purge, unless its row was committed."""
    kind = ObjectKind.FILE_KEY
    _mark_unused(connection, kind, _unused(kind).where(o.id == key_id), now)


def _unused(kind: ObjectKind) -> Select[UUID]:
    used = exists().where(kind.rows(None).c.key_id == o.id)
    return select(o.id).where(o.kind == kind, o.state == ObjectState.STORED, ~used)


def _mark_unused(
    connection: Connection, kind: ObjectKind, query: Select[UUID], now: datetime
) -> int:
    locked = connection.scalars(query.with_for_update(of=t.object_, skip_locked=True)).all()
    # asked again under the lock: a row that uses one may have been committed in between
    used = keys_in_use(connection, kind.rows(None), locked)
    return mark_for_purge(connection, [key for key in locked if key not in used], now)
