"""What the proof searches: every object version, every catalog row, every file on disk."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.catalog import contents
from storage.client.homes import Homes
from storage.ports import ItemKind, StoredItem
from storage.region import OpenRegion

_READABLE = (ItemKind.OBJECT, ItemKind.VERSION)


@dataclass(frozen=True, slots=True)
class Piece:
    """Data to search: its location, its name, and the number of items in it.

    ``whole`` is false for an unfinished upload, whose bytes no request returns.
    """

    location: str
    name: str
    data: bytes
    items: int = 1
    whole: bool = True


def catalog_name(region: str) -> str:
    """Return the name of a region's catalog as a location."""
    return f"catalog {region}"


def on_backends(homes: Homes) -> Iterator[Piece]:
    """Yield every version of every object on every backend, with its key."""
    for served in homes.regions.values():
        for name, backend in served.region.backends.items():
            for trace in backend.scan():
                yield _piece(served.region, name, trace)


def in_catalogs(homes: Homes) -> Iterator[Piece]:
    """Yield every row of every table of every region, partitions included, in binary."""
    for served in homes.regions.values():
        location = catalog_name(served.region.name)
        with served.region.catalog.begin() as connection:
            for table, data, rows in contents.binary(connection):
                yield Piece(location, table, data, rows)


def on_disk(home: Path) -> Iterator[Piece]:
    """Yield every file: PostgreSQL's, with its write-ahead log, and those of the backends."""
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder, name)
            try:
                data = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:  # PostgreSQL has deleted it
                continue
            yield Piece("disk", str(path.relative_to(home)), data)


def _piece(region: OpenRegion, backend: str, trace: StoredItem) -> Piece:
    if trace.kind not in _READABLE:
        return Piece(backend, trace.key, trace.key.encode(), whole=False)
    data = region.backends[backend].get(trace.key, version=trace.handle)
    return Piece(backend, trace.key, trace.key.encode() + b"\n" + data)
