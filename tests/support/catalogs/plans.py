"""How much a query reads, by the plan that PostgreSQL ran."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, event


def records_read(connection: Connection, query: Select[Any], **given: object) -> int:
    """Return how many records a query reads, also those that a filter drops."""
    compiled = query.compile(dialect=connection.dialect)
    return _read(connection, str(compiled), {**compiled.params, **given})


def records_read_by(connection: Connection, work: Callable[[], object]) -> list[int]:
    """Return how many records each query of ``work`` reads. Those without a record do not count."""
    ran: list[tuple[str, Mapping[str, object]]] = []

    def note(
        _: object, __: object, statement: str, given: Mapping[str, object], *___: object
    ) -> None:
        ran.append((statement, given))

    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    queries = [(sql, given) for sql, given in ran if sql.startswith("SELECT")]
    return [read for sql, given in queries if (read := _read(connection, sql, given))]


def _read(connection: Connection, sql: str, given: Mapping[str, object]) -> int:
    cursor = connection.connection.cursor()
    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", given)
    (row,) = cursor.fetchall()
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in _nodes(row[0][0]["Plan"])
        if node.get("Relation Name", "").startswith("record")
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
