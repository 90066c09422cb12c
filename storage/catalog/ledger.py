"""The ledger as the catalog knows it: objects with numbers, of which the newest is the head.

An entry gets the number after the head, and is the head once what it tells is true. Numbers are
taken while nothing becomes true, so an event that a restored catalog has lost is either numbered
right after its head, or was announced before the copy was made.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, select

from storage.catalog import tables as t
from storage.catalog.objects import ObjectKind, ObjectState

o, r = t.object_.c, t.replica.c

_LOCK: Final = func.hashtextextended("ledger", 0)
_LEDGER: Final = o.kind == ObjectKind.LEDGER


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry that the catalog knows to be true. ``digest``: SHA-256 of its object."""

    number: int
    digest: bytes


def head(connection: Connection) -> Head:
    """The head; number 0 if nothing has happened yet."""
    row = connection.execute(
        select(o.number, o.digest)
        .where(_LEDGER, o.state == ObjectState.STORED)
        .order_by(o.number.desc(), o.id)
        .limit(1)
    ).one_or_none()
    return Head(row[0], row[1]) if row is not None else Head(0, b"")


def lock_numbers(connection: Connection) -> None:
    """Until the transaction ends, nothing that the ledger tells becomes true."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def lock_events(connection: Connection) -> None:
    """Until the transaction ends, no number is given out."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def unknown(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys that the catalog has no row of."""
    there = connection.scalars(select(r.key).where(r.key.in_(list(keys))))
    return set(keys) - set(there)


def settled(connection: Connection, objects: Collection[UUID]) -> set[UUID]:
    """Those of the objects whose event is true, or was refused."""
    known = select(o.id).where(o.id.in_(list(objects)), o.state != ObjectState.WRITING)
    return set(connection.scalars(known))


def digests(connection: Connection, wanted: Collection[bytes]) -> set[bytes]:
    """Those of the digests that are of entries which the catalog knows."""
    known = select(o.digest).where(_LEDGER, o.digest.in_(list(wanted)))
    return set(connection.scalars(known))


def take_stale(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Entries whose writer is gone: it said neither that they are true nor that they are not."""
    query = select(o.id).where(_LEDGER, o.state == ObjectState.WRITING, o.deadline < now)
    return list(connection.scalars(query.order_by(o.deadline).limit(limit)))


def old(connection: Connection, before: datetime, limit: int) -> Sequence[UUID]:
    """Entries that were announced before that, but never the head."""
    query = (
        select(o.id)
        .where(_LEDGER, o.state == ObjectState.STORED, o.announced < before)
        .where(o.number < head(connection).number)
        .order_by(o.number)
        .limit(limit)
    )
    return connection.scalars(query).all()
