"""Sweeps: listings in which a row must name every key, before a receipt is signed.

A sweep lists the keys of one kind and expiry day on one backend. It counts for an object that was
gone everywhere before it began: the number of the sweep is then higher than that of the absence.
Both are of one sequence, so no clock decides.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Connection,
    Select,
    Update,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.erasure_waits import all_is_gone, is_unswept
from storage.model import ErasureState, ReplicaState

e, eo, o, r, s = t.erasure.c, t.erasure_object.c, t.object_.c, t.replica.c, t.sweep.c

FOR_EVER = 2**63 - 1
"""The number of a listing that showed an empty backend, which nothing is written to any more."""

_NAME = 65  # characters at the end of a key: object, hyphen, replica


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep under way.

    ``began``: its number. ``after``: the last key that is done; ``orphans``: keys up to there that
    no row names. ``attempts``: tries since the last piece was done.
    """

    backend: str
    prefix: str
    began: int
    after: str
    orphans: int
    attempts: int


def wanted(now: datetime) -> Select[str, str, datetime]:
    """SQL: backends and prefixes, due now, whose sweep is all that an erasure waits for."""
    left = _unswept().subquery().c
    known = exists().where(s.backend == left.backend, s.prefix == left.prefix)
    return select(left.backend, left.prefix, literal(now)).distinct().where(~known)


def _unswept() -> Select[UUID, str, str]:
    """SQL: the backends and prefixes whose sweep is all that erasures wait for."""
    ready = select(e.id).where(e.state == ErasureState.PURGING, all_is_gone()).subquery().c
    return (
        select(ready.id, r.backend, func.left(r.key, -_NAME).label("prefix"))
        .distinct()
        .join(t.erasure_object, eo.erasure_id == ready.id)
        .join(t.object_, o.id == eo.object_id)
        .join(t.replica, r.object_id == o.id)
        .where(is_unswept())
    )


def due(now: datetime) -> Select[str, str]:
    """SQL: sweeps whose next piece is to be done now."""
    return select(s.backend, s.prefix).where(s.due <= now)


def outstanding(ids: Collection[UUID]) -> Select[UUID, str, int, str, datetime]:
    """SQL: what else erasures wait for, by backend: orphans, error and the next piece."""
    left = _unswept().where(eo.erasure_id.in_(ids)).subquery().c
    orphans = func.coalesce(func.sum(s.orphans), 0)
    return (
        select(left.id, left.backend, orphans, func.max(s.last_error), func.min(s.due))
        .select_from(left.id.table)
        .outerjoin(t.sweep, and_(s.backend == left.backend, s.prefix == left.prefix))
        .group_by(left.id, left.backend)
        .order_by(left.id, left.backend)
    )


def count_orphans(connection: Connection, backend: str) -> int:
    """Return how many keys that no row names keep receipts open."""
    query = select(func.coalesce(func.sum(s.orphans), 0)).where(s.backend == backend)
    count: int = connection.execute(query).scalar_one()
    return count


def claim(connection: Connection, now: datetime, lease_until: datetime, limit: int) -> list[Sweep]:
    """Add the sweeps that are wanted. Lease a batch of those that are due until ``lease_until``."""
    new = insert(t.sweep).from_select(["backend", "prefix", "due"], wanted(now))
    connection.execute(new.on_conflict_do_nothing())
    some = due(now).order_by(s.due).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(
        update(t.sweep)
        .where(tuple_(s.backend, s.prefix).in_(some))
        .values(
            due=lease_until,
            began=func.coalesce(s.began, t.absence.next_value()),
            orphans=case((s.began.is_(None), 0), else_=s.orphans),
            attempts=s.attempts + 1,
        )
        .returning(s.backend, s.prefix, s.began, s.after, s.orphans, s.attempts)
    )
    return [Sweep(*row) for row in rows]


def unnamed(connection: Connection, backend: str, keys: Collection[str]) -> set[str]:
    """Return those of the listed keys that no row names, or only a row that says it is gone."""
    named = select(r.key).where(r.backend == backend, r.key.in_(keys), r.state != ReplicaState.GONE)
    return set(keys) - set(connection.scalars(named))


def advance(connection: Connection, sweep: Sweep, after: str, orphans: int, now: datetime) -> None:
    """Store the progress of a piece. The next one is due now."""
    connection.execute(
        _same(sweep).values(due=now, after=after, orphans=orphans, attempts=0, last_error=None)
    )


def retry_later(connection: Connection, sweep: Sweep, error: str, at: datetime) -> None:
    """Set when to try the piece again."""
    connection.execute(_same(sweep).values(due=at, last_error=error))


def begin_again(
    connection: Connection, sweep: Sweep, orphans: int, error: str, at: datetime
) -> None:
    """End a sweep that has found orphans, and set when to begin a new one."""
    connection.execute(
        _same(sweep).values(due=at, began=None, after="", orphans=orphans, last_error=error)
    )


def finish(connection: Connection, sweep: Sweep) -> None:
    """End a sweep in which a row names every key.

    Nothing changes if the lease expired and another process went on.
    """
    same = (s.backend == sweep.backend, s.began == sweep.began, s.after == sweep.after)
    done = connection.execute(t.sweep.delete().where(s.prefix == sweep.prefix, *same))
    if done.rowcount:
        mark_swept(connection, sweep.backend, sweep.began, prefix=sweep.prefix)


def mark_swept(connection: Connection, backend: str, number: int, *, prefix: str = "") -> None:
    """Note a complete listing in which a row named every key under the prefix, by its number."""
    connection.execute(
        update(t.replica)
        .where(
            r.backend == backend,
            r.key.startswith(prefix, autoescape=True),
            r.state == ReplicaState.GONE,
            or_(r.swept.is_(None), r.swept < number),
        )
        .values(swept=number)
    )


def _same(sweep: Sweep) -> Update:
    return update(t.sweep).where(
        s.backend == sweep.backend,
        s.prefix == sweep.prefix,
        s.began == sweep.began,
        s.after == sweep.after,
    )
