"""Checkpoints of the region's log, and where its tiles are on the backends.

The row of a checkpoint is committed before its note leaves the process, and there is one for each
size. It is published once an object with it is stored.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import log, stages
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.policy import Stage
from storage.tlog.tiles import WIDTH, Level, Tile

c, o, s, tile = t.log_checkpoint.c, t.object_.c, t.log_state.c, t.log_tile.c

_BUNDLE = -1


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """A checkpoint that the region signed: how many entries, their root, and the note."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Range:
    """Where a tile or a bundle is: from ``start``, ``length`` bytes of an object."""

    tile: Tile
    object_id: UUID
    start: int
    length: int


def take_lease(connection: Connection, holder: UUID, now: datetime, until: datetime) -> bool:
    """Let one process alone seal, until a moment. False: another one does.

    It keeps work from being done twice. That no two notes of one size differ does not rest on it.
    """
    free = or_(s.lease.is_(None), s.lease <= now, s.holder == holder)
    taken = update(t.log_state).where(free).values(holder=holder, lease=until)
    return connection.execute(taken).rowcount == 1


def end_lease(connection: Connection, holder: UUID) -> None:
    """Let another process seal."""
    connection.execute(update(t.log_state).where(s.holder == holder).values(lease=None))


def newest(connection: Connection) -> SignedRoot | None:
    """Return the checkpoint that was signed last."""
    row = connection.execute(
        select(c.size, c.root, c.note).order_by(c.size.desc()).limit(1)
    ).one_or_none()
    return None if row is None else SignedRoot(row[0], bytes(row[1]), row[2])


def of_size(connection: Connection, size: int) -> SignedRoot | None:
    """Return the checkpoint of a size."""
    row = connection.execute(select(c.size, c.root, c.note).where(c.size == size)).one_or_none()
    return None if row is None else SignedRoot(row[0], bytes(row[1]), row[2])


def published_size(connection: Connection) -> int:
    """Return the size of the newest checkpoint that is on its backends; 0 if none is."""
    query = select(func.max(o.number)).where(
        o.kind == ObjectKind.CHECKPOINT, o.state == ObjectState.STORED, o.number.is_not(None)
    )
    return connection.scalar(query) or 0


def published(connection: Connection) -> SignedRoot | None:
    """Return the newest checkpoint that is on its backends."""
    return of_size(connection, published_size(connection))


def unpublished() -> Select[UUID]:
    """SQL: lines that have a number, and are in no published checkpoint."""
    line = t.log_line.c
    size = (
        select(func.coalesce(func.max(o.number), 0))
        .where(o.kind == ObjectKind.CHECKPOINT, o.state == ObjectState.STORED)
        .where(o.number.is_not(None))
    )
    return select(line.id).where(line.number >= size.scalar_subquery())


def has_work(connection: Connection) -> bool:
    """Return whether there are lines that are in no published checkpoint."""
    return any(
        connection.scalar(select(query.limit(1).exists()))
        for query in (log.waiting(), unpublished())
    )


def oldest_waiting(connection: Connection) -> datetime | None:
    """Return when the oldest line was made that is in no published checkpoint.

    None: there is none, or the region retires, and its log has ended.
    """
    if stages.latest(connection) in (Stage.RETIRING, Stage.RETIRED):
        return None
    line = t.log_line.c
    oldest = (
        connection.scalar(select(func.min(line.at)).where(line.id.in_(query)))
        for query in (log.waiting(), unpublished())
    )
    return min((at for at in oldest if at is not None), default=None)


def held(connection: Connection, lines: Collection[UUID]) -> frozenset[UUID]:
    """Return those of the lines that the newest published checkpoint holds."""
    line, size = t.log_line.c, published_size(connection)
    query = select(line.id).where(line.id.in_(list(lines)), line.number < size)
    return frozenset(connection.scalars(query))


def add(connection: Connection, new: SignedRoot, now: datetime) -> bool:
    """Note a checkpoint that was signed. False: one of that size was noted before."""
    row = {"size": new.size, "root": new.root, "note": new.note, "at": now}
    given = insert(t.log_checkpoint).values(row).on_conflict_do_nothing()
    return connection.scalar(given.returning(c.size)) is not None


def cosigned(connection: Connection, size: int) -> dict[str, str]:
    """Return the cosignature lines below a checkpoint, by the names of their witnesses."""
    w = t.log_cosignature.c
    return {
        row[0]: row[1]
        for row in connection.execute(
            select(w.witness, w.line).where(w.size == size).order_by(w.witness)
        )
    }


def add_cosignature(
    connection: Connection, size: int, witness: str, line: str, now: datetime
) -> None:
    """Note the cosignature of a witness. Its first one stays."""
    row = {"size": size, "witness": witness, "line": line, "at": now}
    connection.execute(insert(t.log_cosignature).values(row).on_conflict_do_nothing())


def last_cosigned(connection: Connection, witness: str) -> int:
    """Return the size of the newest checkpoint that a witness cosigned; 0 if none."""
    w = t.log_cosignature.c
    return connection.scalar(select(func.max(w.size)).where(w.witness == witness)) or 0


def add_tiles(connection: Connection, ranges: Sequence[Range]) -> None:
    """Note where tiles and bundles are."""
    connection.execute(
        insert(t.log_tile).on_conflict_do_nothing(),
        [
            {
                "object_id": each.object_id,
                "level": _stored(each.tile.level),
                "index": each.tile.index,
                "width": each.tile.width,
                "start": each.start,
                "length": each.length,
            }
            for each in ranges
        ],
    )


def where_is(connection: Connection, wanted: Tile) -> Range | None:
    """Return where a tile is, or a wider one of its place: that begins with it."""
    row = connection.execute(
        select(tile.width, tile.object_id, tile.start, tile.length)
        .join(t.object_, o.id == tile.object_id)
        .where(
            tile.level == _stored(wanted.level),
            tile.index == wanted.index,
            tile.width >= wanted.width,
            o.state == ObjectState.STORED,
        )
        .order_by(tile.width.desc(), tile.object_id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Range(Tile(wanted.level, wanted.index, row[0]), row[1], row[2], row[3])


def minimum(connection: Connection) -> int:
    """Return the index of the first entry that the log still serves."""
    return connection.scalar(select(s.minimum)) or 0


def prune(connection: Connection, before: int) -> None:
    """Let the log begin with a later entry: delete the lines before it."""
    connection.execute(select(func.prune_log(before)))


def forget_tiles(connection: Connection, gone: Collection[tuple[Level, int]]) -> None:
    """Delete where the full tiles before an index of each level are."""
    for level, before in gone:
        connection.execute(
            t.log_tile.delete().where(
                tile.level == _stored(level), tile.index < before, tile.width == WIDTH
            )
        )


def replaced(size: int, edge: Collection[Tile]) -> Select[UUID]:
    """SQL: stored objects of the log that nobody needs, now that it has ``size`` entries.

    Checkpoints before that one; and tiles of which all were replaced by wider ones: none is full,
    and none is in ``edge``, the partial tiles and bundles of that size.
    """
    partial = (
        and_(
            tile.level == _stored(each.level),
            tile.index == each.index,
            tile.width == each.width,
        )
        for each in edge
    )
    needed = exists().where(tile.object_id == o.id, or_(tile.width == WIDTH, *partial))
    old = and_(o.kind == ObjectKind.CHECKPOINT, o.number < size)
    tiles = and_(o.kind == ObjectKind.LOG_TILES, o.number <= size, ~needed)
    return select(o.id).where(o.state == ObjectState.STORED, o.number.is_not(None), or_(old, tiles))


def forgotten_texts(before: int) -> Select[UUID]:
    """SQL: objects with texts of lines that all have lower numbers."""
    return select(o.id).where(
        o.kind == ObjectKind.LOG_LINES,
        o.state == ObjectState.STORED,
        o.number.is_not(None),
        o.number <= before,
    )


def batch(connection: Connection, query: Select[UUID], limit: int) -> Sequence[UUID]:
    """Return a batch of such objects, oldest first."""
    return connection.scalars(query.order_by(o.number).limit(limit)).all()


def known_objects(connection: Connection, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return the states of those of the objects that the catalog has."""
    rows = connection.execute(select(o.id, o.state).where(o.id.in_(list(ids))))
    return {row[0]: row[1] for row in rows}


def _stored(level: Level) -> int:
    return _BUNDLE if level == "entries" else level
