"""Forgetting and pruning: texts after their time, whole bundles of forgotten lines, old objects."""

from datetime import datetime

from sqlalchemy import Connection

from storage.catalog import checkpoints, log, objects
from storage.tlog.checkpoints import Trust
from storage.tlog.tiles import WIDTH, Level, Tile, levels_of, width_of

_BATCH = 1000


def prune(connection: Connection, trust: Trust, before: datetime, now: datetime) -> int:
    """Do one batch; return how much it was.

    ``before``: texts of older lines are forgotten. What was published stays: the log still proves
    that it only grew, and to whoever kept text and salt, that the line is in it.
    """
    size = checkpoints.published_size(connection, trust)
    done = log.forget(connection, before, _BATCH, size)
    known = log.first_known(connection)
    forgotten = size if known is None else min(known, size)
    begin = forgotten // WIDTH * WIDTH
    if begin > checkpoints.minimum(connection):
        checkpoints.prune(connection, begin)
        checkpoints.forget_tiles(connection, _before(begin, size))
    for query in (
        checkpoints.forgotten_texts(forgotten),
        checkpoints.replaced(size, edge_of(size)),
    ):
        some = checkpoints.batch(connection, query, _BATCH)
        done = max(done, objects.mark_for_purge(connection, some, now))
    return done


def edge_of(size: int) -> list[Tile]:
    """Return the partial tiles and the partial bundle of a log."""
    levels: list[Level] = ["entries", *levels_of(size)]
    edge = []
    for level in levels:
        row = size if level == "entries" else size // WIDTH**level
        if row % WIDTH:
            index = row // WIDTH
            edge.append(Tile(level, index, width_of(level, index, size)))
    return edge


def _before(begin: int, size: int) -> list[tuple[Level, int]]:
    """Return for each level the first tile that a log that begins there still serves."""
    tiles: list[tuple[Level, int]] = [(n, begin // WIDTH ** (n + 1)) for n in levels_of(size)]
    return [("entries", begin // WIDTH), *tiles]
