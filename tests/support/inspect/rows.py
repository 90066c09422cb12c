"""Complete state, to compare before and after a call that must leave nothing behind."""

from typing import Any

from sqlalchemy import select

from storage.catalog import tables
from storage.testing import Domicile


def all_rows(domicile: Domicile) -> list[object]:
    """Return each row of each table of each catalog."""
    found: list[object] = []
    for served in domicile.homes.regions.values():
        with served.region.catalog.begin() as connection:
            for table in tables.metadata.sorted_tables:
                rows = connection.execute(select(table)).all()
                found.append((served.region.name, table.name, sorted(map(str, rows))))
    return found


def all_state(domicile: Domicile) -> list[object]:
    """Return all rows of all catalogs, and the traces and the number of calls of all backends."""
    found = all_rows(domicile)
    for name, backend in sorted(domicile.backends.items()):
        found.append((name, list(backend.inner.scan()), len(backend.calls)))
    return found


def ill_typed(value: object) -> Any:  # noqa: ANN401 - that is what it is for
    """Return a value of the wrong type so that mypy accepts it."""
    return value
