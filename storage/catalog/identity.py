"""The identity of a catalog: its server, timeline, database and table.

A catalog that was restored or failed over has lost what was committed since, erasures too. So it
stores its identity, and every process compares that with the server it is connected to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select, text, update

from storage.catalog import tables as t

i = t.catalog_info.c

_UNFINISHED: Final = "recovery"
_PARTS: Final = "server", "timeline", "database", "table"
# the timeline of the current WAL file: after a failover the last checkpoint still has the old one.
# Every login may read all of this.
_HERE: Final = """
    concat_ws('/', c.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8),
      (SELECT oid FROM pg_database WHERE datname = current_database()),
      CAST(CAST('catalog_info' AS regclass) AS oid))
"""
_COMPARE: Final = f"""
    SELECT i.identity, {_HERE}, pg_postmaster_start_time(),
      coalesce(i.oldest_code, 0)
    FROM pg_control_system() c LEFT JOIN catalog_info i ON i.id = 1
"""  # noqa: S608 - no value is in it
_SET: Final = text(f"""
    UPDATE catalog_info SET identity = {_HERE}, unread = :unread FROM pg_control_system() c
""")  # noqa: S608 - no value is in it


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts of the identity that changed, when the server started, and the oldest code."""

    changed: tuple[str, ...]
    started: datetime
    oldest_code: int


def describe(changed: Sequence[str]) -> str:
    """Return in words why the catalog counts as restored.

    Nothing changed: an older state was restored on the same server.
    """
    if not changed:
        return "the ledger or the log has entries that it does not know"
    if _UNFINISHED in changed:
        return "its recovery is not finished"
    return f"its {', '.join(changed)} changed"


def compare(connection: Connection) -> Identity:
    """Compare the stored identity with the server.

    ``changed`` is ("recovery",) in a catalog whose recovery is not finished.
    """
    # most transactions begin with it, so it goes to the driver as it is
    stored, here, started, oldest_code = connection.exec_driver_sql(_COMPARE).one()
    if stored is None:
        return Identity((_UNFINISHED,), started, oldest_code)
    pairs = zip(_PARTS, stored.split("/"), here.split("/"), strict=True)
    changed = tuple(part for part, was, is_now in pairs if was != is_now)
    return Identity(changed, started, oldest_code)


def accept(connection: Connection, unread: Sequence[str] = ()) -> None:
    """Store the identity of this server. ``unread``: backends whose ledger is still to be read."""
    connection.execute(_SET, {"unread": list(unread)})


def begin_recovery(connection: Connection) -> None:
    """Clear the identity: no process uses this catalog until ``accept``."""
    connection.execute(update(t.catalog_info).values(identity=None))


def unread(connection: Connection) -> list[str]:
    """Return the backends whose ledger has not been read since the catalog was restored."""
    return list(connection.scalar(select(i.unread)) or ())


def set_unread(connection: Connection, left: Sequence[str]) -> None:
    """Replace the backends whose ledger is still to be read."""
    connection.execute(update(t.catalog_info).values(unread=list(left)))


def catalog_id(connection: Connection) -> UUID:
    """Return the id that the catalog got when it was created."""
    found: UUID = connection.execute(select(i.catalog_id)).scalar_one()
    return found
