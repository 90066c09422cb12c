"""Scrub rounds: their progress, the rows that they compare, and the orphans that they found."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import objects, records
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectState
from storage.model import RecordId, ReplicaState
from storage.policy import Done, Expected, Finding

o, r, s, y = t.object_.c, t.replica.c, t.scrub.c, t.orphan.c

_SHOWN = 10  # keys of each kind that are kept as examples


@dataclass(frozen=True, slots=True)
class Row:
    """A replica with the fields of its object that a scrub compares."""

    id: UUID
    object_id: UUID
    backend: str
    key: str
    state: ReplicaState
    object_state: ObjectState
    size: int
    digest: bytes
    backends: tuple[str, ...]
    tenant: str | None

    @property
    def expected(self) -> Expected:
        """What a scrub must find on the backend."""
        stored = self.object_state is ObjectState.STORED
        return Expected(self.state, stored, self.size, self.backend in self.backends)


@dataclass(slots=True)
class Found:
    """The count of one finding, and the first few keys."""

    count: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What a round has examined and found so far. ``read``: objects that were read whole."""

    keys: int = 0
    read: int = 0
    found: dict[tuple[Finding, Done], Found] = field(default_factory=dict)

    def add(self, finding: Finding, done: Done, key: str | None) -> None:
        """Count a finding. Give no ``key`` for a foreign name, which may contain anything."""
        found = self.found.setdefault((finding, done), Found())
        found.count += 1
        if key is not None and len(found.keys) < _SHOWN:
            found.keys.append(key)

    @property
    def unrepaired(self) -> int:
        """The number of findings that need a person."""
        return self._done(Done.UNREPAIRED)

    @property
    def unfinished(self) -> int:
        """The number of findings that the next scrub must examine again."""
        return self._done(Done.UNREPAIRED, Done.REASSIGNING, Done.WAITING)

    def _done(self, *kinds: Done) -> int:
        return sum(found.count for (_, done), found in self.found.items() if done in kinds)

    def to_json(self) -> dict[str, object]:
        """Return the stored form."""
        found = [[finding, done, f.count, f.keys] for (finding, done), f in self.found.items()]
        return {"keys": self.keys, "read": self.read, "found": found}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Parse the stored form; an empty one gives an empty tally."""
        found = {(Finding(x[0]), Done(x[1])): Found(x[2], x[3]) for x in stored.get("found", ())}
        return cls(stored.get("keys", 0), stored.get("read", 0), found)


@dataclass(frozen=True, slots=True)
class Round:
    """One comparison of a backend with the catalog, from the first key to the last.

    ``started`` is None if no round is under way. ``after``: the last key that was examined.
    """

    backend: str
    started: datetime | None
    after: str
    seed: bytes
    share: float
    tally: Tally
    finished: datetime | None
    unrepaired: int


def register(connection: Connection, backends: Collection[str], due: datetime) -> None:
    """Insert backends that are new, with the time of their first round."""
    new = [
        {
            "backend": name,
            "due": due,
            "after": "",
            "seed": b"",
            "share": 0.0,
            "tally": {},
            "unrepaired": 0,
        }
        for name in backends
    ]
    connection.execute(insert(t.scrub).values(new).on_conflict_do_nothing())


def due(backends: Collection[str], now: datetime) -> Select[str]:
    """SQL: backends of which a round, or its next piece, is due and not leased."""
    return select(s.backend).where(_is_free(backends, now), s.due <= now)


def begin_due(
    connection: Connection, backends: Collection[str], now: datetime, *, seed: bytes, share: float
) -> None:
    """Begin the rounds that are due. ``share``: the share of objects to read whole."""
    waiting = and_(_is_free(backends, now), s.due <= now, s.started.is_(None))
    connection.execute(_begun(now, seed, share).where(waiting))


def begin_now(
    connection: Connection, backend: str, now: datetime, *, seed: bytes, share: float
) -> None:
    """Begin a round, unless one is under way that reads at least this share of the objects."""
    lesser = and_(s.backend == backend, or_(s.started.is_(None), s.share < share))
    connection.execute(_begun(now, seed, share).where(lesser))


def claim(
    connection: Connection,
    backends: Collection[str],
    now: datetime,
    lease: datetime,
    *,
    due: bool,
) -> Round | None:
    """Lease a round until ``lease``. ``due``: only if its next piece is due."""
    query = (
        select(t.scrub)
        .where(_is_free(backends, now), s.started.is_not(None), *([s.due <= now] if due else ()))
        .order_by(s.due)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    connection.execute(update(t.scrub).where(s.backend == row.backend).values(lease=lease))
    return _round(row)


def show(connection: Connection, backends: Collection[str]) -> dict[str, Round]:
    """Return the rounds of these backends, by name."""
    rows = connection.execute(select(t.scrub).where(s.backend.in_(backends)))
    return {row.backend: _round(row) for row in rows}


def save(connection: Connection, before: Round, after: str, tally: Tally, *, due: datetime) -> None:
    """Store the progress of a piece, and end the lease. ``due``: the time of the next piece.

    Nothing changes if the lease expired and another process went on.
    """
    connection.execute(
        _same(before).values(after=after, tally=tally.to_json(), lease=None, due=due)
    )


def finish(
    connection: Connection, before: Round, tally: Tally, now: datetime, *, due: datetime
) -> None:
    """End the round. ``due``: the time of the next one."""
    connection.execute(
        _same(before).values(
            started=None,
            after="",
            tally=tally.to_json(),
            lease=None,
            finished=now,
            unrepaired=tally.unrepaired,
            due=due,
        )
    )


def rows(connection: Connection, backend: str, after: str, limit: int) -> list[Row]:
    """Return replicas of a backend in the order of keys, after one key."""
    query = _rows().where(r.backend == backend, r.key > after).order_by(r.key).limit(limit)
    return [_row(found) for found in connection.execute(query)]


def row_of(connection: Connection, key: str) -> Row | None:
    """Return the replica of a key, whatever its backend."""
    found = connection.execute(_rows().where(r.key == key)).one_or_none()
    return None if found is None else _row(found)


def needing(connection: Connection, key: str) -> Iterator[tuple[str, RecordId]]:
    """Yield the records that need the object of a key: ``records.needing``."""
    row = row_of(connection, key)
    known = None if row is None else objects.find_object(connection, row.object_id)
    if known is not None:
        yield from records.needing(connection, known.kind, known.day, known.id)


def expected(connection: Connection, backend: str) -> int:
    """Return how many keys there are to examine, up to a million."""
    return count_up_to(connection, select(r.id).where(r.backend == backend), 1_000_000)


def purge_again(connection: Connection, row: Row, now: datetime) -> bool:
    """Mark for purge a replica that was gone and exists again. False: it is not ``gone`` now."""
    objects.lock(connection, [row.object_id])
    done = connection.execute(
        update(t.replica)
        .where(r.id == row.id, r.state == ReplicaState.GONE)
        .values(
            state=ReplicaState.PURGING,
            next_attempt=now,
            purging_since=now,
            gone_at=None,
            how=None,
            last_error="CameBack",
        )
    )
    if done.rowcount == 0:
        return False
    connection.execute(
        update(t.object_)
        .where(o.id == row.object_id, o.state == ObjectState.GONE)
        .values(state=ObjectState.PURGING, gone_at=None)
    )
    return True


def move_to_backends(
    connection: Connection, object_id: UUID, backends: Sequence[str], now: datetime
) -> None:
    """Set the backends of an object, and have it replicated to those that lack it."""
    connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.STORED)
        .values(backends=list(backends), replicate_at=now)
    )


def note_orphan(connection: Connection, backend: str, key: str, now: datetime) -> datetime:
    """Record an orphan: bytes that no row knows. Return when it was first seen."""
    query = insert(t.orphan).values(backend=backend, key=key, first_seen=now, last_seen=now)
    found: datetime = connection.execute(
        query.on_conflict_do_update(
            index_elements=["backend", "key"], set_={"last_seen": now}
        ).returning(y.first_seen)
    ).scalar_one()
    return found


def delete_orphan(connection: Connection, backend: str, key: str) -> None:
    """Delete the row of an orphan that is gone."""
    connection.execute(t.orphan.delete().where(y.backend == backend, y.key == key))


def delete_unseen_orphans(
    connection: Connection, backend: str, before: datetime, limit: int
) -> int:
    """Delete a batch of orphans that a whole round has not seen; return the count."""
    some = select(y.key).where(y.backend == backend, y.last_seen < before).limit(limit)
    done = connection.execute(
        t.orphan.delete().where(y.backend == backend, y.key.in_(some.scalar_subquery()))
    )
    return done.rowcount


def _is_free(backends: Collection[str], now: datetime) -> ColumnElement[bool]:
    """SQL: whether no process has leased the round."""
    return and_(s.backend.in_(backends), or_(s.lease.is_(None), s.lease <= now))


def _begun(now: datetime, seed: bytes, share: float) -> Update:
    return update(t.scrub).values(
        started=now, due=now, after="", seed=seed, share=share, tally={}, lease=None
    )


def _same(before: Round) -> Update:
    return update(t.scrub).where(
        s.backend == before.backend, s.started == before.started, s.after == before.after
    )


def _rows() -> Select[Any]:
    return select(
        r.id,
        r.object_id,
        r.backend,
        r.key,
        r.state,
        o.state.label("object_state"),
        func.coalesce(o.size, 0).label("size"),
        func.coalesce(o.digest, b"").label("digest"),
        o.backends,
        o.tenant,
    ).join(t.object_, o.id == r.object_id)


def _row(found: Any) -> Row:  # noqa: ANN401 - a row of _rows
    return Row(
        found.id,
        found.object_id,
        found.backend,
        found.key,
        ReplicaState(found.state),
        ObjectState(found.object_state),
        found.size,
        found.digest,
        tuple(found.backends),
        found.tenant,
    )


def _round(row: Any) -> Round:  # noqa: ANN401 - a row of the table
    return Round(
        row.backend,
        row.started,
        row.after,
        row.seed,
        row.share,
        Tally.from_json(row.tally),
        row.finished,
        row.unrepaired,
    )
