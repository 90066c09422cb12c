"""Which catalog this is: the server, its timeline, the database, the table. A copy is another one.

A restored or failed-over catalog has forgotten what was committed since: erasures too. So it says
which place it is in, and whoever uses it compares that with the place.
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
# the timeline that is written to now: that of the last checkpoint is still the old one after a
# failover. Anybody may ask all of this.
_HERE: Final = """
    concat_ws('/', c.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8),
      (SELECT oid FROM pg_database WHERE datname = current_database()),
      CAST(CAST('catalog_info' AS regclass) AS oid))
"""
_LOOK: Final = text(f"""
    SELECT i.identity, {_HERE}, pg_postmaster_start_time()
    FROM pg_control_system() c LEFT JOIN catalog_info i ON i.id = 1
""")  # noqa: S608 - no value is in it
_SET: Final = text(f"""
    UPDATE catalog_info SET identity = {_HERE}, unread = :unread FROM pg_control_system() c
""")  # noqa: S608 - no value is in it


@dataclass(frozen=True, slots=True)
class Identity:
    """What has another value than the catalog says, and since when its server runs."""

    moved: tuple[str, ...]
    started: datetime


def why(moved: Sequence[str]) -> str:
    """In words: what makes the catalog a copy. Nothing moved: it was set back in its place."""
    if not moved:
        return "the ledger has entries that it does not know"
    if _UNFINISHED in moved:
        return "its recovery is not finished"
    return f"its {', '.join(moved)} changed"


def look(connection: Connection) -> Identity:
    """Compare. ``moved`` is ("recovery",) in a catalog whose recovery is not finished."""
    said, here, started = connection.execute(_LOOK).one()
    if said is None:
        return Identity((_UNFINISHED,), started)
    pairs = zip(_PARTS, said.split("/"), here.split("/"), strict=True)
    return Identity(tuple(part for part, was, is_now in pairs if was != is_now), started)


def accept(connection: Connection, unread: Sequence[str] = ()) -> None:
    """This is the catalog from now on. ``unread``: backends whose ledger is still to be read."""
    connection.execute(_SET, {"unread": list(unread)})


def begin_recovery(connection: Connection) -> None:
    """Nobody uses this catalog until it is settled again."""
    connection.execute(update(t.catalog_info).values(identity=None))


def unread(connection: Connection) -> list[str]:
    """The backends whose ledger nobody has read since the catalog was restored."""
    return list(connection.scalar(select(i.unread)) or ())


def set_unread(connection: Connection, left: Sequence[str]) -> None:
    """These are left."""
    connection.execute(update(t.catalog_info).values(unread=list(left)))


def catalog_id(connection: Connection) -> UUID:
    """The id that the catalog was given when it was made."""
    found: UUID = connection.execute(select(i.catalog_id)).scalar_one()
    return found
