"""Put back what a restored catalog lacks of its log: on the backends is what others have seen.

A checkpoint is on its backends before anybody gets it, and its tiles are there before it. So the
newest one that is found holds every line that anybody was shown. The log goes on from there, or
not at all: what went on from an older one would be a fork.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import checkpoints, log
from storage.catalog.checkpoints import SignedRoot
from storage.catalog.kinds import ObjectKind
from storage.crypto.log import origin
from storage.errors import InvalidRequest, LogInvalid
from storage.model import LineKind, LogLine, utc
from storage.recovery.known import newest_known
from storage.recovery.log_objects import (
    Found,
    Loaded,
    adopt,
    contents,
    first_openings,
    first_tiles,
    replicas,
    scan,
    several_with,
)
from storage.region import OpenRegion
from storage.tlog.checkpoints import (
    Checkpoint,
    check_succession,
    open_checkpoint,
    verify_consistency,
)
from storage.tlog.commitments import Opening, commit
from storage.tlog.merkle import EMPTY_ROOT, consistency_path
from storage.tlog.tiles import WIDTH, Tile, width_of
from storage.tlog.tree import Read, rooted, stored_ranges
from storage.tlog.verification import read_log
from storage.transparency.reading import narrowed, reader


@dataclass(frozen=True, slots=True)
class Ahead:
    """The newest checkpoint on the backends, which the catalog lacks, and the others there."""

    newest: Checkpoint
    note: Loaded
    others: Collection[Checkpoint]


def look(
    region: OpenRegion, connection: Connection, names: Collection[str], silent: set[str]
) -> Ahead | None:
    """Return the newest checkpoint on the backends, if it is newer than that of the catalog.

    A backend that does not answer is added to ``silent``. Raises LogInvalid if they have one that
    is older, and that the log of the catalog does not continue.
    """
    known = _known(region, connection)
    signed: dict[Checkpoint, Loaded] = {}
    for found in scan(region, ObjectKind.CHECKPOINT, 0, names, silent):
        for loaded in replicas(region, found, silent):
            try:
                opened = open_checkpoint(loaded.data, region.log_trust)
            except LogInvalid:  # another replica may be as it was written
                continue
            signed[opened.checkpoint] = loaded
            break
    for each in signed:
        row = checkpoints.of_size(connection, region.log_trust, each.size)
        if each.size <= known.size and (row is None or row.root != each.root):
            _check_continued(each, known, reader(region), checkpoints.minimum(connection))
    newest = max(signed, key=lambda each: each.size, default=known)
    if newest.size <= known.size:
        return None
    others = [each for each in signed if each.size > known.size and each != newest]
    return Ahead(newest, signed[newest], others)


def restore(
    region: OpenRegion,
    connection: Connection,
    ahead: Ahead,
    names: Collection[str],
    silent: set[str],
) -> int:
    """Put back the lines that the catalog lacks, with their numbers; return how many.

    Raises LogInvalid if the backends lack a part of the log, or if the newest checkpoint does not
    continue that of the catalog and all others: the log has two histories.
    """
    known, newest = _known(region, connection), ahead.newest
    packs = scan(region, ObjectKind.LOG_TILES, known.size, names, silent)
    tiles = [each for pack in packs if (each := first_tiles(region, pack, silent)) is not None]
    read = rooted(several_with(region, tiles), newest.size, newest.root)
    for older in (known, *ahead.others):
        _check_continued(older, newest, read, checkpoints.minimum(connection))
    entries = _entries(read, newest, known.size)
    expected = dict(enumerate(entries, known.size))
    there = log.entries(connection, known.size)
    log.release(connection, [n for n, entry in there.items() if expected.get(n) != entry])
    texts = _texts(region, scan(region, ObjectKind.LOG_LINES, known.size, names, silent), silent)
    # other lines may have had these numbers before the catalog was lost
    openings = _by_entry(texts)
    for number, entry in expected.items():
        kept = openings.get((number, entry))
        log.restore(connection, _line(kept, entry, number, region.clock.now()))
    if log.entries(connection, known.size) != expected:
        raise LogInvalid(
            f"The log of {region.name} was not restored: its catalog lacks lines of it.",
            advice="Keep the catalog and the backends as they are, and report this.",
        )
    note = ahead.note.data.decode()
    signed = SignedRoot(newest.size, newest.root, note)
    checkpoints.add(connection, region.log_trust, signed, region.clock.now())
    tiles = [each for each in tiles if _are_tiles_of(read, newest.size, each)]
    sealed = [
        loaded
        for loaded, openings in texts
        if any(expected.get(n) == opening.entry for n, opening in _numbered(loaded, openings))
    ]
    for loaded in (*tiles, *sealed, ahead.note):
        adopt(region, connection, loaded)
    return len(entries)


def correct(
    region: OpenRegion, connection: Connection, names: Collection[str], silent: set[str]
) -> int:
    """Let lines say what the log has there, where they say something else; return how many did.

    Any login can have added one to a restored catalog, with the commitment of the true one.
    """
    now, minimum = region.clock.now(), checkpoints.minimum(connection)
    lines = log.all_numbered(connection, minimum, log.following(connection))
    false = {line.number or 0: line.commitment for line in lines if _is_false(line, now)}
    if not false:
        return 0
    first, last = min(false), max(false)
    objects = scan(region, ObjectKind.LOG_LINES, first, names, silent)
    near = [each for each in objects if each.number <= last + log.BATCH]
    openings = _by_entry(_texts(region, near, silent))
    kept = [key for key in false.items() if key in openings]
    for number, entry in kept:
        log.restore(connection, _line(openings[number, entry], entry, number, now))
    return len(kept)


def _is_false(line: LogLine, now: datetime) -> bool:
    """Tell whether a line says what its commitment does not, or counts as what it does not say."""
    if line.text is None:
        return False
    if commit(line.salt or b"", line.text) != line.commitment:
        return True
    said = _said(line.text)
    if said is None:
        return False
    _, kind, at = said
    return line.kind is not kind or (line.at != at and at <= now)


def _by_entry(texts: Sequence[tuple[Loaded, list[Opening]]]) -> dict[tuple[int, bytes], Opening]:
    return {(n, opening.entry): opening for each in texts for n, opening in _numbered(*each)}


def _check_continued(older: Checkpoint, newer: Checkpoint, read: Read, minimum: int) -> None:
    """Raise LogInvalid unless a log continues an older checkpoint, if it still can show that."""
    check_succession(older, newer)
    if older.size >= minimum:
        path = consistency_path(stored_ranges(read, newer.size), older.size, newer.size)
        verify_consistency(older, newer, path)


def _known(region: OpenRegion, connection: Connection) -> Checkpoint:
    """Return the newest checkpoint whose lines the catalog has, that of an empty log if none is.

    Any login may have added a later one, which the region did sign, to a restored catalog.
    """
    known = newest_known(region, connection)
    if known is None:
        return Checkpoint(origin(region.name), 0, EMPTY_ROOT)
    return Checkpoint(origin(region.name), known.size, known.root)


def _entries(read: Read, newest: Checkpoint, begin: int) -> list[bytes]:
    """Return the entries from a number on, verified from the root of the checkpoint down."""
    first = begin // WIDTH * WIDTH
    entries = [entry for _, bundle in read_log(read, newest, minimum=first) for entry in bundle]
    return entries[begin - first :]


def _texts(
    region: OpenRegion, objects: Sequence[Found], silent: set[str]
) -> list[tuple[Loaded, list[Opening]]]:
    read = (first_openings(region, each, silent) for each in objects)
    return [each for each in read if each is not None]


def _are_tiles_of(read: Read, size: int, loaded: Loaded) -> bool:
    """Tell whether the tiles in an object are those of the log, as it was at the number of it."""
    if loaded.found.number > size:
        return False
    for tile, data in contents(loaded):
        now = Tile(tile.level, tile.index, width_of(tile.level, tile.index, size))
        if now.width < tile.width or narrowed(read(now.path), now, tile) != data:
            return False
    return True


def _numbered(loaded: Loaded, openings: Sequence[Opening]) -> list[tuple[int, Opening]]:
    """Return salts and texts with the numbers of their lines: that of an object is its end."""
    return list(enumerate(openings, loaded.found.number - len(openings)))


def _line(opening: Opening | None, entry: bytes, number: int, now: datetime) -> LogLine:
    """Return a line as it was; without a text that says so only its place is known.

    Any login of a process may have added a text that does not, and chosen the entry.
    """
    text, salt = (None, None) if opening is None else (opening.text, opening.salt)
    line, kind, at = _said(text or "{}") or (_unnamed(entry, number), LineKind.LOST, now)
    return LogLine(line, kind, min(at, now), text, salt, entry, number)


def _said(text: str) -> tuple[UUID, LineKind, datetime] | None:
    """Return the id, the kind and the time that a text says. None: it does not."""
    try:
        said = json.loads(text)
        at = utc(datetime.fromisoformat(said["at"]))
        line, kind = UUID(said["line"]), LineKind(said["kind"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidRequest):
        return None
    return (line, kind, at) if log.EARLIEST <= at < log.LATEST else None


def _unnamed(entry: bytes, number: int) -> UUID:
    """Return an id that nobody who chose the entry alone has chosen."""
    digest = hashlib.sha256(b"domicile lost line\0" + number.to_bytes(8) + entry).digest()
    return UUID(bytes=digest[:16])
