"""Backends that leave: what is still there, what was purged there, and the statement at the end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.errors import BackendUndeclared
from storage.model import ReplicaState
from storage.text import plural

d, o, r, s = t.departure.c, t.object_.c, t.replica.c, t.statement.c

COUNTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Departure:
    """How far a backend is emptied. ``replicas`` and ``bytes``: purged and seen absent since."""

    backend: str
    begun: datetime
    replicas: int
    bytes: int
    token: str | None = None
    finished: datetime | None = None


def check(connection: Connection, region: str, known: Collection[str]) -> None:
    """Raise BackendUndeclared if replicas that are not gone are on a backend other than these."""
    for name, count in elsewhere(connection, known).items():
        raise BackendUndeclared(
            f"The topology of {region} has no backend {name}, which has "
            f"{plural(count, 'replica')} in the catalog."
        )


def elsewhere(connection: Connection, known: Collection[str]) -> dict[str, int]:
    """Return the replicas that are not gone on backends other than these, counted to a million.

    The names are found with one look at an index for each, however many replicas there are.
    """
    names = select(func.min(r.backend).label("backend")).cte("names", recursive=True)
    after = select(func.min(r.backend)).where(r.backend > names.c.backend).scalar_subquery()
    names = names.union_all(select(after).where(names.c.backend.is_not(None)))
    found = connection.scalars(select(names.c.backend).where(names.c.backend.is_not(None))).all()
    return {
        name: count
        for name in found
        if name not in known and (count := count_left(connection, name))
    }


def count_left(connection: Connection, backend: str) -> int:
    """Return how many replicas of a backend are not gone, up to a million."""
    left = select(r.id).where(r.backend == backend, r.state != ReplicaState.GONE)
    return count_up_to(connection, left, COUNTED)


def follow(connection: Connection, leaving: Collection[str], now: datetime) -> None:
    """Begin what has to be emptied, and drop what does not leave after all.

    A backend that was emptied before begins again if there is anything new.
    """
    connection.execute(t.departure.delete().where(d.backend.not_in(list(leaving))))
    for name in sorted(leaving):
        known = latest(connection, name)
        if known is None or (known.token is not None and count_left(connection, name)):
            connection.execute(
                insert(t.departure).values(backend=name, begun=now).on_conflict_do_nothing()
            )


def latest(connection: Connection, backend: str) -> Departure | None:
    """Return the departure of a backend: the one under way, or the last that has ended."""
    under_way = connection.execute(select(t.departure).where(d.backend == backend)).one_or_none()
    if under_way is not None:
        return Departure(*under_way)
    columns = s.backend, s.begun, s.replicas, s.bytes, s.token, s.signed
    ended = select(*columns).where(s.backend == backend).order_by(s.begun.desc()).limit(1)
    row = connection.execute(ended).one_or_none()
    return None if row is None else Departure(*row)


def to_move(leaving: Collection[str], now: datetime) -> Select[UUID]:
    """SQL: stored replicas on backends that leave, but those that another process is moving."""
    return (
        select(r.id)
        .join(t.object_, o.id == r.object_id)
        .where(
            r.backend == any_(literal(list(leaving), t.object_.c.backends.type)),
            r.state == ReplicaState.STORED,
            o.state == ObjectState.STORED,
            or_(r.next_attempt.is_(None), r.next_attempt <= now),
        )
    )


def claim(
    connection: Connection, leaving: Collection[str], now: datetime, lease: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Lease a batch of replicas to move until ``lease``. Return them, each with its object."""
    some = to_move(leaving, now).limit(limit).with_for_update(of=t.replica, skip_locked=True)
    rows = connection.execute(
        update(t.replica)
        .where(r.id.in_(some.scalar_subquery()))
        .values(next_attempt=lease)
        .returning(r.id, r.object_id)
    )
    return [(row[0], row[1]) for row in rows]


def move_later(connection: Connection, replica: UUID, at: datetime) -> None:
    """Set when to try to move a replica again."""
    connection.execute(
        update(t.replica)
        .where(r.id == replica, r.state == ReplicaState.STORED)
        .values(next_attempt=at)
    )


def mark_moved(connection: Connection, replicas: Collection[UUID], now: datetime) -> None:
    """Mark for purge replicas of an object that is elsewhere. The caller has locked the object."""
    connection.execute(
        update(t.replica)
        .where(r.id.in_(replicas), r.state == ReplicaState.STORED)
        .values(state=ReplicaState.PURGING, next_attempt=now, purging_since=now, last_error=None)
    )


def count_absent(connection: Connection, replicas: Sequence[UUID]) -> None:
    """Count replicas that were seen absent, except canaries, if their backend leaves."""
    seen = (
        select(
            r.backend, func.count().label("replicas"), func.coalesce(func.sum(o.size), 0).label("b")
        )
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.id.in_(replicas), r.state == ReplicaState.GONE, o.kind != ObjectKind.CANARY)
        .group_by(r.backend)
        .subquery()
    )
    connection.execute(
        update(t.departure)
        .where(d.backend == seen.c.backend)
        .values(replicas=d.replicas + seen.c.replicas, bytes=d.bytes + seen.c.b)
    )


def lock_empty(connection: Connection, backend: str) -> Departure | None:
    """Lock and return the departure of a backend. None: none is under way, or it is not empty."""
    query = select(t.departure).where(d.backend == backend)
    row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None or count_left(connection, backend):
        return None
    return Departure(*row)


def finish(connection: Connection, known: Departure, token: str, now: datetime) -> None:
    """Replace a departure by its statement."""
    connection.execute(
        insert(t.statement).values(
            backend=known.backend,
            begun=known.begun,
            replicas=known.replicas,
            bytes=known.bytes,
            token=token,
            signed=now,
        )
    )
    connection.execute(t.departure.delete().where(d.backend == known.backend))
