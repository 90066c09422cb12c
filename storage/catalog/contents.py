"""Whole contents of a catalog, for a proof that searches them: rows, copies and statistics."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Row, Table, func, select, text

from storage.catalog import tables as t
from storage.model import ReplicaState

_TABLES = text("""
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'
      AND n.nspname <> 'information_schema'
    ORDER BY 1
""")
# for its planner PostgreSQL keeps samples of the values of every table
_STATISTICS = "pg_catalog.pg_statistic WHERE starelid >= 16384"  # of user tables


def rows(connection: Connection, table: Table) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return all rows of a table."""
    return connection.execute(select(table)).all()


def replicas_by_class(connection: Connection) -> Iterator[tuple[str, str, str, int]]:
    """Yield tenant, class, backend, and how many records of that tenant and class it stores."""
    r = t.replica.c
    for c in (t.record.c, t.file.c):
        query = (
            select(c.tenant, c.data_class, r.backend, func.count())
            .join(t.replica, r.object_id == c.object_id)
            .where(r.state == ReplicaState.STORED)
            .group_by(c.tenant, c.data_class, r.backend)
        )
        for x in connection.execute(query):
            yield x[0], x[1], x[2], x[3]


def binary(connection: Connection) -> Iterator[tuple[str, bytes, int]]:
    """Yield for every table, partitions included, its name, its rows in binary, and their number.

    The last one is the planner's statistics, which contain samples of the values.
    """
    for table in [*connection.scalars(_TABLES), _STATISTICS]:
        data, count = _copy(connection, table)
        yield table.split()[0].removeprefix("public."), data, count


def _copy(connection: Connection, table: str) -> tuple[bytes, int]:
    """Return all rows of a table as PostgreSQL sends them, and their number."""
    driver = cast(psycopg.Connection, connection.connection.driver_connection)
    with driver.cursor() as cursor:
        query = f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)"  # noqa: S608 - ours
        with cursor.copy(query.encode()) as copy:
            data = b"".join(bytes(block) for block in copy)
        return data, cursor.rowcount
