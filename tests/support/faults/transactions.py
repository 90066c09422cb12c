"""The transactions that tests stop or lose, recognized by their statements."""

from storage.testing.connections import CatalogFaults, Statements, Which, ran, watching

__all__ = [
    "ANNOUNCING",
    "COMMITTING",
    "FENCING",
    "GOING",
    "PLANNING",
    "SWITCHING",
    "CatalogFaults",
    "Statements",
    "Which",
    "next_is",
    "ran",
    "watching",
]


def next_is(part: str, *parts: str) -> Which:
    """Match transactions that ran all of ``parts`` and whose next statement contains ``part``."""
    earlier = ran(*parts)
    return lambda statements: part in statements[-1] and earlier(statements[:-1])


_TENANTS = "pg_advisory_xact_lock_shared(number"  # the ledger has a lock of its own

ANNOUNCING = ran(_TENANTS, "INSERT INTO object")
COMMITTING = ran(_TENANTS, "UPDATE object SET")
FENCING = ran("INSERT INTO fence")
PLANNING = ran("DELETE FROM record")
SWITCHING = ran("UPDATE record SET")
GOING = ran("gone_at=%(gone_at)s")
