"""The transparency log of the region that tests work in: lines, checkpoints, exported files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from storage.catalog import log
from storage.catalog import tables as t
from storage.crypto.log import verifier
from storage.model import LineKind
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.tlog.checkpoints import Checkpoint
from storage.transparency.files import files_of, published
from storage.transparency.publish import Publisher
from tests.support import foreign_log
from tests.support.inspect.stored import home


def note_lines(region: OpenRegion, count: int = 1) -> list[UUID]:
    """Add lines, each in a transaction of its own."""
    made = []
    for number in range(count):
        with region.catalog.begin() as connection:
            now = region.clock.now()
            facts = {"number": number}
            made.append(log.append(connection, LineKind.POLICY, facts, now, region.entropy))
    return made


def lines(domicile: Domicile, kind: LineKind) -> list[dict[str, Any]]:
    """Return what the lines of a kind say, oldest first."""
    with home(domicile).catalog.begin() as connection:
        found = log.page(connection, kind=kind, since=None, after=None, limit=1000)
    return [json.loads(line.text or "{}") for line in found]


def publisher(domicile: Domicile) -> Publisher:
    """Return what a new process publishes with."""
    return Publisher(home(domicile), domicile.clock.sleep)


def export(region: OpenRegion, folder: Path) -> Path:
    """Write the files of the log into a folder."""
    now = published(region)
    assert now is not None
    for path, data in files_of(region, now):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def verified(
    region: OpenRegion, folder: Path, old: tuple[str, int, bytes] | None = None
) -> tuple[str, int, bytes]:
    """Return origin, size and root of the exported log, as the second verifier sees it."""
    keys = [str(verifier(region.name, region.log_keys[0]))]
    return foreign_log.verify(export(region, folder), keys, old)


def checkpoints_of(region: OpenRegion) -> Sequence[Checkpoint]:
    """Return every checkpoint that the region has signed, by size."""
    c = t.log_checkpoint.c
    with region.catalog.begin() as connection:
        rows = connection.execute(select(c.size, c.root).order_by(c.size)).all()
    return [Checkpoint(f"domicile/{region.name}", row[0], bytes(row[1])) for row in rows]


def numbers_of(region: OpenRegion, lines: Sequence[UUID]) -> list[int | None]:
    """Return the numbers of lines."""
    with region.catalog.begin() as connection:
        found = [log.find(connection, line) for line in lines]
    return [line.number if line is not None else None for line in found]
