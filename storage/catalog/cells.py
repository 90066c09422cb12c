"""Which cell of a place a tenant was given, in the catalog of the place's first cell."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Subquery, delete, func, insert, select, text, union

from storage.catalog import tables as t

c = t.cell_choice.c


def give(
    connection: Connection,
    tenant: str,
    cells: Sequence[str],
    choose: Callable[[dict[str, int]], str],
) -> str:
    """Return the cell of a tenant, and give it one if it has none: the choice then stands.

    ``choose`` gets how many tenants each cell has, also those that are only chosen yet. One caller
    at a time chooses, so that no cell gets more than it has room for.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('cell_choice', 0))"))
    known = _known(cells)
    found = connection.scalar(select(known.c.cell).where(known.c.id == tenant).limit(1))
    if found is not None:
        return str(found)
    counts = select(known.c.cell, func.count()).group_by(known.c.cell)
    cell = choose(dict(map(tuple, connection.execute(counts))))
    connection.execute(insert(t.cell_choice).values(tenant=tenant, cell=cell))
    return cell


def chosen(connection: Connection, tenant: str) -> str | None:
    """Return the cell that was chosen for a tenant, which may not be there yet."""
    return connection.scalar(select(c.cell).where(c.tenant == tenant))


def forget(connection: Connection, tenant: str, cell: str) -> None:
    """Delete the choice of a cell for a tenant: its room is free again."""
    connection.execute(delete(t.cell_choice).where(c.tenant == tenant, c.cell == cell))


def _known(cells: Sequence[str]) -> Subquery:
    """Every tenant of a place that its first cell knows, once, with its cell."""
    own = select(t.tenant.c.id, t.tenant.c.home.label("cell"))
    elsewhere = select(t.directory.c.id, t.directory.c.home).where(t.directory.c.home.in_(cells))
    chosen = select(t.cell_choice.c.tenant, t.cell_choice.c.cell)
    return union(own, elsewhere, chosen).subquery()
