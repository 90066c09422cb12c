"""Backends that leave: what is still there, what was purged there, and the statement at the end."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import retirements, stages, storages, topologies
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.errors import DOCUMENTATION, BackendUndeclared
from storage.model import ReplicaState
from storage.policy import Stage
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
    """Raise BackendUndeclared if bytes may be on a backend other than these.

    There are replicas that are not gone; or it has storage of this catalog, and nobody saw it empty
    before its entry was deleted. Erasures would wait for a listing of it for ever.
    """
    for name, count in elsewhere(connection, known).items():
        raise BackendUndeclared(
            f"The topology of {region} has no backend {name}, which has "
            f"{plural(count, 'replica')} in the catalog."
        )
    former = storages.known(connection).keys() - set(known)
    if not former or stages.latest(connection) is Stage.RETIRED:  # all of it was seen empty
        return
    for name in unseen(connection, former & stored_in(connection, region)):
        raise BackendUndeclared(
            f"{name} was a backend of {region} and was never seen empty.", advice=put_back(name)
        )


def elsewhere(connection: Connection, known: Collection[str]) -> dict[str, int]:
    """Return the replicas that are not gone on backends other than these, counted to a million."""
    return {
        name: count
        for name in _with_rows(connection)
        if name not in known and (count := count_left(connection, name))
    }


def _with_rows(connection: Connection) -> Sequence[str]:
    """Return the backends of all replicas, with one look at an index for each backend."""
    names = select(func.min(r.backend).label("backend")).cte("names", recursive=True)
    after = select(func.min(r.backend)).where(r.backend > names.c.backend).scalar_subquery()
    names = names.union_all(select(after).where(names.c.backend.is_not(None)))
    return connection.scalars(select(names.c.backend).where(names.c.backend.is_not(None))).all()


def stored_in(connection: Connection, region: str) -> set[str]:
    """Return the backends in which this catalog ever stored, since its region was last empty."""
    ever = storages.ever(connection).union(_with_rows(connection))
    ended = retirements.last_end(connection)
    if ended is None:
        return ever
    return ever & {name for name, _ in topologies.seen_hosts(connection, region, since=ended)}


def count_left(connection: Connection, backend: str) -> int:
    """Return how many replicas of a backend are not gone, up to a million."""
    left = select(r.id).where(r.backend == backend, r.state != ReplicaState.GONE)
    return count_up_to(connection, left, COUNTED)


def follow(
    connection: Connection, leaving: Collection[str], staying: Collection[str], now: datetime
) -> None:
    """Begin what has to be emptied, and drop what does not leave after all.

    A backend that was emptied before begins again if there is anything new. One that takes bytes
    again since begins at once: what comes now may be gone, and its rows too, when it leaves.
    """
    others = d.backend.not_in(list(leaving)), d.backend.not_in(select(s.backend))
    connection.execute(t.departure.delete().where(*others))
    said_empty = connection.scalars(select(s.backend).where(s.backend.in_(list(staying))))
    for name in sorted(set(said_empty)):
        new = {"begun": now, "replicas": 0, "bytes": 0}
        begins = insert(t.departure).values(backend=name, **new)
        connection.execute(begins.on_conflict_do_update(index_elements=[d.backend], set_=new))
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


def ended(connection: Connection, backend: str) -> Departure | None:
    """Return the departure that ended with the newest statement. None: nothing says it is empty."""
    known = latest(connection, backend)
    if known is None or known.token is None or count_left(connection, backend):
        return None
    return known


def unseen(connection: Connection, backends: Iterable[str]) -> list[str]:
    """Return those of the backends that no statement says to be empty, by name."""
    return [name for name in sorted(backends) if ended(connection, name) is None]


def put_back(backend: str) -> str:
    """Return the advice for a backend that the topology lacks, and that was never seen empty."""
    return (
        f"Put the entry of {backend} back with retires = true, and run: domicile backend retire "
        f"{backend}. Then delete the entry. See {DOCUMENTATION}howto/retire-a-backend/"
    )


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
