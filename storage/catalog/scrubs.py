"""How far the scrub of each backend is, the rows that it compares, and what no row knows of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, Select, Update, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import objects
from storage.catalog import tables as t
from storage.catalog.objects import ObjectState
from storage.model import ReplicaState
from storage.policy import Done, Expected, Finding

o, r, s, y = t.object_.c, t.replica.c, t.scrub.c, t.orphan.c

_SHOWN = 10  # keys of each kind that are kept as examples


@dataclass(frozen=True, slots=True)
class Row:
    """A replica with what its object says of it."""

    id: UUID
    object_id: UUID
    backend: str
    key: str
    state: ReplicaState
    object_state: ObjectState
    size: int
    digest: bytes
    backends: tuple[str, ...]

    @property
    def expected(self) -> Expected:
        """What a scrub has to find of it."""
        stored = self.object_state is ObjectState.STORED
        return Expected(self.state, stored, self.size, self.backend in self.backends)


@dataclass(slots=True)
class Found:
    """How often something was found, and the keys of the first few."""

    count: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What a round has looked at and found so far. ``read``: objects of which all bytes were."""

    keys: int = 0
    read: int = 0
    found: dict[tuple[Finding, Done], Found] = field(default_factory=dict)

    def add(self, finding: Finding, done: Done, key: str | None) -> None:
        """Count one more; a name that is no key of ours may hold anything, and is not kept."""
        found = self.found.setdefault((finding, done), Found())
        found.count += 1
        if key is not None and len(found.keys) < _SHOWN:
            found.keys.append(key)

    @property
    def unmended(self) -> int:
        """How much a person has to see to."""
        return self._done(Done.UNREPAIRED)

    @property
    def unfinished(self) -> int:
        """How much the next scrub has to see to again: what is moved goes by then, for one."""
        return self._done(Done.UNREPAIRED, Done.REASSIGNING, Done.WAITING)

    def _done(self, *kinds: Done) -> int:
        return sum(found.count for (_, done), found in self.found.items() if done in kinds)

    def written(self) -> dict[str, object]:
        """As the catalog keeps it."""
        found = [[finding, done, f.count, f.keys] for (finding, done), f in self.found.items()]
        return {"keys": self.keys, "read": self.read, "found": found}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """What ``written`` gave; of nothing, nothing."""
        found = {(Finding(x[0]), Done(x[1])): Found(x[2], x[3]) for x in kept.get("found", ())}
        return cls(kept.get("keys", 0), kept.get("read", 0), found)


@dataclass(frozen=True, slots=True)
class Round:
    """One comparison of a backend with the catalog, from the first key to the last.

    ``started`` unset: it is over, or none was ever begun.
    """

    backend: str
    started: datetime | None
    after: str
    seed: bytes
    share: float
    tally: Tally
    finished: datetime | None
    unmended: int


def register(connection: Connection, backends: Collection[str], due: datetime) -> None:
    """Backends that were not scrubbed yet are to be, from then on."""
    new = [
        {
            "backend": name,
            "due": due,
            "after": "",
            "seed": b"",
            "share": 0.0,
            "tally": {},
            "unmended": 0,
        }
        for name in backends
    ]
    connection.execute(insert(t.scrub).values(new).on_conflict_do_nothing())


def begin_due(
    connection: Connection, backends: Collection[str], now: datetime, *, seed: bytes, share: float
) -> None:
    """Begin the rounds whose time has come. ``share``: of the objects, those to be read."""
    waiting = and_(s.backend.in_(backends), s.started.is_(None), s.due <= now)
    connection.execute(_begun(now, seed, share).where(waiting))


def begin_now(
    connection: Connection, backend: str, now: datetime, *, seed: bytes, share: float
) -> None:
    """Begin a round, unless one is under way that reads no smaller share of the objects."""
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
    """Take a round that nobody is at, until ``lease``; ``due``: only if its next piece is."""
    query = (
        select(t.scrub)
        .where(s.backend.in_(backends), or_(s.lease.is_(None), s.lease <= now))
        .where(s.started.is_not(None), *([s.due <= now] if due else ()))
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
    """How far these backends are, by name."""
    rows = connection.execute(select(t.scrub).where(s.backend.in_(backends)))
    return {row.backend: _round(row) for row in rows}


def save(connection: Connection, before: Round, after: str, tally: Tally, *, due: datetime) -> None:
    """A piece is done: nobody is at it any more, and the next piece is ``due`` then.

    If another process has gone on meanwhile, because the lease was over, what that one did counts.
    """
    connection.execute(
        _same(before).values(after=after, tally=tally.written(), lease=None, due=due)
    )


def finish(
    connection: Connection, before: Round, tally: Tally, now: datetime, *, due: datetime
) -> None:
    """The round is over, and the next is ``due`` then. What is gone by itself is no stray."""
    connection.execute(
        _same(before).values(
            started=None,
            after="",
            tally=tally.written(),
            lease=None,
            finished=now,
            unmended=tally.unmended,
            due=due,
        )
    )


def rows(connection: Connection, backend: str, after: str, limit: int) -> list[Row]:
    """Replicas of a backend whose keys come after one, in the order of keys."""
    query = _rows().where(r.backend == backend, r.key > after).order_by(r.key).limit(limit)
    return [_row(found) for found in connection.execute(query)]


def row_of(connection: Connection, key: str) -> Row | None:
    """The replica of a key, whichever backend it is on."""
    found = connection.execute(_rows().where(r.key == key)).one_or_none()
    return None if found is None else _row(found)


def expected(connection: Connection, backend: str) -> int:
    """About how many keys there are to look at; it does not count beyond a million."""
    some = select(r.id).where(r.backend == backend).limit(1_000_000).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def purge_again(connection: Connection, row: Row, now: datetime) -> bool:
    """A replica that was gone is there again: it must go again. False: it is no longer gone."""
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
    """The object is to be on these backends, and is copied to those that lack it."""
    connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.STORED)
        .values(backends=list(backends), replicate_at=now)
    )


def note_orphan(connection: Connection, backend: str, key: str, now: datetime) -> datetime:
    """A backend holds what no row knows of. Says when that was seen for the first time."""
    query = insert(t.orphan).values(backend=backend, key=key, first_seen=now, last_seen=now)
    found: datetime = connection.execute(
        query.on_conflict_do_update(
            index_elements=["backend", "key"], set_={"last_seen": now}
        ).returning(y.first_seen)
    ).scalar_one()
    return found


def delete_orphan(connection: Connection, backend: str, key: str) -> None:
    """It is gone."""
    connection.execute(t.orphan.delete().where(y.backend == backend, y.key == key))


def delete_unseen_orphans(
    connection: Connection, backend: str, before: datetime, limit: int
) -> int:
    """Forget orphans that a whole round has not seen. Says how many it were."""
    some = select(y.key).where(y.backend == backend, y.last_seen < before).limit(limit)
    done = connection.execute(
        t.orphan.delete().where(y.backend == backend, y.key.in_(some.scalar_subquery()))
    )
    return done.rowcount


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
    )


def _round(row: Any) -> Round:  # noqa: ANN401 - a row of the table
    return Round(
        row.backend,
        row.started,
        row.after,
        row.seed,
        row.share,
        Tally.of(row.tally),
        row.finished,
        row.unmended,
    )
