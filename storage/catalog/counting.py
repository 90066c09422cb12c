"""Bounded counts: a status or a dry run must not burden its catalog."""

from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, func, select


def count_up_to(
    connection: Connection, rows: Select[*tuple[Any, ...]] | CompoundSelect[Any], most: int
) -> int:
    """Return how many rows a query gives; ``most`` means that many or more."""
    some = rows.limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0
