"""What the proof searches: every object version, every catalog row, every file on disk."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from storage.client.homes import Homes
from storage.ports import ItemKind, StoredItem
from storage.region import OpenRegion

# Statistics too: for its planner PostgreSQL keeps samples of the values of every table.
_TABLES = text("""
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'
      AND n.nspname <> 'information_schema'
    ORDER BY 1
""")
_STATISTICS = "pg_catalog.pg_statistic WHERE starelid >= 16384"  # of user tables
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
            for table in [*connection.scalars(_TABLES), _STATISTICS]:
                data, rows = _copy(connection, table)
                yield Piece(location, table.split()[0].removeprefix("public."), data, rows)


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


def _copy(connection: Connection, table: str) -> tuple[bytes, int]:
    """Return all rows of a table as PostgreSQL sends them, and their number."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        query = f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)"  # noqa: S608 - ours
        with cursor.copy(query) as copy:
            data = b"".join(bytes(block) for block in copy)
        return data, cursor.rowcount
