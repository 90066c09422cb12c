"""Checkpoints of the region's log, and where its tiles are on the backends.

The row of a checkpoint is committed before its note leaves the process, and there is one for each
size. It is published once an object with it is stored.

Any login can add a row, or an object. So a row counts if the region signed its note, and if that
states its size and its root; what does not is passed over, and stands beside the true one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import log, stages
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.errors import LogInvalid
from storage.policy import Stage
from storage.tlog.checkpoints import Trust, open_checkpoint
from storage.tlog.notes import parse_note
from storage.tlog.tiles import WIDTH, Level, Tile, length_of

c, o, s, tile = t.log_checkpoint.c, t.object_.c, t.log_state.c, t.log_tile.c

_BUNDLE = -1
_PAGE, _LARGEST_PAGE = 10, 1000

LONGEST_NOTE = 1024
"""How many bytes the note of a row has at most."""
PLACES = 10
"""At how many places a tile is looked for."""

LOOKED_AT = 100
"""How many of the newest rows are looked at for those that the region did not sign."""


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
    A lease that is twice as long as ours is forged, and ignored.
    """
    forged = s.lease > until + (until - now)
    free = or_(s.lease.is_(None), s.lease <= now, s.holder == holder, forged)
    taken = update(t.log_state).where(free).values(holder=holder, lease=until)
    return connection.execute(taken).rowcount == 1


def end_lease(connection: Connection, holder: UUID) -> None:
    """Let another process seal."""
    connection.execute(update(t.log_state).where(s.holder == holder).values(lease=None))


def newest(connection: Connection, trust: Trust) -> SignedRoot | None:
    """Return the checkpoint that was signed last."""
    return next(_signed(connection, trust), None)


def whole(connection: Connection, trust: Trust) -> list[SignedRoot]:
    """Return the checkpoints that have no more lines than the catalog, the newest first."""
    return list(_signed(connection, trust, c.size <= log.following(connection)))


def of_size(connection: Connection, trust: Trust, size: int) -> SignedRoot | None:
    """Return the checkpoint of a size."""
    return next(_signed(connection, trust, c.size == size), None)


def published(connection: Connection, trust: Trust) -> SignedRoot | None:
    """Return the newest checkpoint that is on its backends."""
    stored = exists().where(
        o.kind == ObjectKind.CHECKPOINT, o.state == ObjectState.STORED, o.number == c.size
    )
    return next(_signed(connection, trust, stored), None)


def published_size(connection: Connection, trust: Trust) -> int:
    """Return the size of the newest checkpoint that is on its backends; 0 if none is."""
    root = published(connection, trust)
    return 0 if root is None else root.size


def count_forged(connection: Connection, trust: Trust) -> int:
    """Return how many of the newest rows the region did not sign. See ``LOOKED_AT``."""
    rows = connection.execute(_rows().limit(LOOKED_AT))
    return sum(not is_signed(SignedRoot(x[0], bytes(x[1]), x[2]), trust) for x in rows)


@lru_cache(maxsize=2**16)  # rows do not change; thousands may be forged
def is_signed(root: SignedRoot, trust: Trust) -> bool:
    """Return whether the region signed the note of a row, and nobody else, and for that row."""
    data = root.note.encode()
    try:
        tree = open_checkpoint(data, trust).checkpoint
        alone = len(parse_note(data).signatures) == 1
    except LogInvalid:
        return False
    return alone and (tree.size, tree.root) == (root.size, root.root)


def _rows() -> Select[int, bytes, str]:
    return select(c.size, c.root, c.note).order_by(c.size.desc(), c.root.desc(), c.note.desc())


def _signed(
    connection: Connection, trust: Trust, *where: ColumnElement[bool]
) -> Iterator[SignedRoot]:
    """Yield the rows that count, the largest first."""
    query, place = _rows().where(_says_so(trust), *where), tuple_(c.size, c.root, c.note)
    page, limit = query, _PAGE
    while True:
        rows = connection.execute(page.limit(limit)).all()
        for row in rows:
            root = SignedRoot(row[0], bytes(row[1]), row[2])
            if is_signed(root, trust):
                yield root
        if len(rows) < limit:
            return
        limit = min(10 * limit, _LARGEST_PAGE)
        last = zip(rows[-1], (c.size, c.root, c.note), strict=True)
        page = query.where(place < tuple_(*(literal(x, column.type) for x, column in last)))


def _says_so(trust: Trust) -> ColumnElement[bool]:
    """SQL: the note begins as that of the row must, and is not longer than one can be."""
    lines = trust.log[0].name, "\n", c.size, "\n", func.encode(c.root, "base64"), "\n\n"
    short = func.octet_length(c.note) <= LONGEST_NOTE
    return and_(short, func.starts_with(c.note, func.concat(*lines)))


def to_seal(connection: Connection, trust: Trust, before: datetime) -> list[Select[UUID]]:
    """SQL: lines that a worker seals now: of batches that were begun, and what waits for one.

    While the newest checkpoint was not signed ``before`` then, what waits goes on waiting, unless
    it fills a batch. Who must not act before a line is public does not ask this.
    """
    queries = [_unpublished(connection, trust)]
    last = newest(connection, trust)
    if last is None or _signed_by(connection, last, before) or log.fills_batch(connection):
        queries.append(log.waiting())
    return queries


def _unpublished(connection: Connection, trust: Trust) -> Select[UUID]:
    """SQL: lines that have a number, and are in no published checkpoint."""
    line = t.log_line.c
    return select(line.id).where(line.number >= published_size(connection, trust))


def signed_at(connection: Connection, trust: Trust) -> datetime | None:
    """Return when the newest checkpoint was signed that is on its backends. None: none is."""
    root = published(connection, trust)
    return None if root is None else connection.scalar(select(c.at).where(*_same(root)))


def _signed_by(connection: Connection, root: SignedRoot, moment: datetime) -> bool:
    return bool(connection.scalar(select(exists().where(*_same(root), c.at <= moment))))


def _same(root: SignedRoot) -> tuple[ColumnElement[bool], ...]:
    return c.size == root.size, c.root == root.root, c.note == root.note


def has_work(connection: Connection, trust: Trust, before: datetime) -> bool:
    """Return whether there are lines that a worker seals now: see ``to_seal``."""
    return any(
        connection.scalar(select(query.limit(1).exists()))
        for query in to_seal(connection, trust, before)
    )


def oldest_waiting(connection: Connection, trust: Trust) -> datetime | None:
    """Return when the oldest line was made that is in no published checkpoint.

    None: there is none, or the region retires, and its log has ended.
    """
    if stages.latest(connection) in (Stage.RETIRING, Stage.RETIRED):
        return None
    line = t.log_line.c
    oldest = (
        connection.scalar(select(func.min(line.at)).where(line.id.in_(query)))
        for query in (log.waiting(), _unpublished(connection, trust))
    )
    return min((at for at in oldest if at is not None), default=None)


def held(connection: Connection, lines: Collection[UUID], size: int) -> frozenset[UUID]:
    """Return those of the lines that a checkpoint of that size holds."""
    line = t.log_line.c
    query = select(line.id).where(line.id.in_(list(lines)), line.number < size)
    return frozenset(connection.scalars(query))


def add(connection: Connection, trust: Trust, new: SignedRoot, now: datetime) -> bool:
    """Note a checkpoint that was signed. False: one of that size was noted before."""
    connection.execute(select(s.id).with_for_update())
    if of_size(connection, trust, new.size) is not None:
        return False
    row = {"size": new.size, "root": new.root, "note": new.note, "at": now}
    given = insert(t.log_checkpoint).values(row).on_conflict_do_nothing()
    return connection.scalar(given.returning(c.size)) is not None


def cosigned(connection: Connection, size: int) -> dict[str, list[str]]:
    """Return the cosignature lines below a checkpoint, by the names of their witnesses."""
    w = t.log_cosignature.c
    found: dict[str, list[str]] = {}
    query = select(w.witness, w.line).where(w.size == size).order_by(w.witness, w.at, w.line)
    for witness, line in connection.execute(query):
        found.setdefault(witness, []).append(line)
    return found


def add_cosignature(
    connection: Connection, size: int, witness: str, line: str, now: datetime
) -> None:
    """Note the cosignature of a witness, unless the same was noted before."""
    row = {"size": size, "witness": witness, "line": line, "at": now}
    connection.execute(insert(t.log_cosignature).values(row).on_conflict_do_nothing())


def last_cosigned(connection: Connection, witness: str) -> int:
    """Return the size of the newest checkpoint that a witness cosigned; 0 if none."""
    w = t.log_cosignature.c
    return connection.scalar(select(func.max(w.size)).where(w.witness == witness)) or 0


def add_tiles(connection: Connection, ranges: Sequence[Range]) -> bool:
    """Note where tiles and bundles are. False: a row of one of them is there, and is forged."""
    added = connection.execute(
        insert(t.log_tile)
        .values(
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
            ]
        )
        .on_conflict_do_nothing()
        .returning(tile.level)
    )
    return len(added.all()) == len(ranges)


def where_is(connection: Connection, wanted: Tile) -> list[Range]:
    """Return where a tile may be, or a wider one of its place, which begins with it.

    The narrowest comes first: that is written with the checkpoint that needs it, and a forged row
    that promises more counts after it. Rows that are none of a tile are passed over.
    """
    rows = connection.execute(
        select(tile.width, tile.object_id, tile.start, tile.length)
        .join(t.object_, o.id == tile.object_id)
        .where(
            tile.level == _stored(wanted.level),
            tile.index == wanted.index,
            tile.width.between(wanted.width, WIDTH),
            tile.length == tile.width * length_of(wanted.level),
            tile.start >= 0,
            o.kind == ObjectKind.LOG_TILES,
            o.state == ObjectState.STORED,
        )
        .order_by(tile.width, tile.object_id)
        .limit(PLACES)
    )
    place = wanted.level, wanted.index
    return [Range(Tile(*place, row[0]), row[1], row[2], row[3]) for row in rows]


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
