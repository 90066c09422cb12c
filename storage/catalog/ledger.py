"""The ledger in the catalog: objects with numbers. The head is the newest whose event is true.

An entry gets the number after the head, and becomes the head when its event is committed. Numbers
are given out only while no event is being committed. So an event that a restored catalog lost
either has the number after its head, or was announced before the backup.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState

o, r = t.object_.c, t.replica.c

_LOCK: Final = func.hashtextextended("ledger", 0)
_LEDGER: Final = o.kind == ObjectKind.LEDGER


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry whose event is committed. ``digest``: SHA-256 of its object."""

    number: int
    digest: bytes


def head(connection: Connection) -> Head:
    """Return the head; number 0 if no event was committed yet."""
    row = connection.execute(
        select(o.number, o.digest)
        .where(_LEDGER, o.state == ObjectState.STORED)
        .order_by(o.number.desc(), o.id)
        .limit(1)
    ).one_or_none()
    return Head(row[0], row[1]) if row is not None else Head(0, b"")


def lock_numbers(connection: Connection) -> None:
    """Until the transaction ends, no event of the ledger is committed."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def lock_events(connection: Connection) -> None:
    """Until the transaction ends, no number is given out."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def unknown(connection: Connection, keys: Collection[str]) -> set[str]:
    """Return those of the keys that have no row in the catalog."""
    known = connection.scalars(select(r.key).where(r.key.in_(list(keys))))
    return set(keys) - set(known)


def resolved(connection: Connection, objects: Collection[UUID]) -> set[UUID]:
    """Return those of the entries whose event was committed or refused."""
    query = select(o.id).where(o.id.in_(list(objects)), o.state != ObjectState.WRITING)
    return set(connection.scalars(query))


def digests(connection: Connection, wanted: Collection[bytes]) -> set[bytes]:
    """Return those of the digests that belong to entries of this catalog."""
    query = select(o.digest).where(_LEDGER, o.digest.in_(list(wanted)))
    return set(connection.scalars(query))


def stale(now: datetime) -> Select[UUID]:
    """SQL: entries still ``writing`` after their deadline: their writer is gone."""
    return select(o.id).where(_LEDGER, o.state == ObjectState.WRITING, o.deadline < now)


def find_stale(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return a batch of stale entries, oldest first. They are not locked."""
    return list(connection.scalars(stale(now).order_by(o.deadline).limit(limit)))


def old(connection: Connection, before: datetime) -> Select[UUID]:
    """SQL: entries announced before a moment, without the head."""
    return (
        select(o.id)
        .where(_LEDGER, o.state == ObjectState.STORED, o.announced < before)
        .where(o.number < head(connection).number)
    )


def find_old(connection: Connection, before: datetime, limit: int) -> Sequence[UUID]:
    """Return a batch of old entries, by number. They are not locked."""
    return connection.scalars(old(connection, before).order_by(o.number).limit(limit)).all()
