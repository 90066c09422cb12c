"""All rows of a catalog, and a catalog that is set back to them, as by a restore."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, insert, select, text

from storage.catalog import tables as t

Rows = Mapping[str, Sequence[Row[tuple[object, ...]]]]
"""The rows of each table."""


def rows_of(connection: Connection) -> Rows:
    """Return what is in a catalog: the columns under the names that an insert takes."""
    return {
        table.name: connection.execute(select(*(x.label(x.key) for x in table.columns))).all()
        for table in t.metadata.sorted_tables
    }


def set_back(connection: Connection, rows: Rows) -> None:
    """Let a catalog have these rows alone. Like a restore, it runs no trigger."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for table in reversed(t.metadata.sorted_tables):
        connection.execute(table.delete())
    for table in t.metadata.sorted_tables:
        if rows[table.name]:
            connection.execute(insert(table), [dict(row._mapping) for row in rows[table.name]])
    connection.execute(text("SET LOCAL session_replication_role = origin"))
