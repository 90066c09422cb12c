"""The identities of the storage (directory or bucket) that backends have. None ever changes."""

from uuid import UUID

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t

i = t.backend_identity.c


def known(connection: Connection) -> dict[str, UUID]:
    """Return the identities that storage was seen with, by backend."""
    found = connection.execute(select(i.backend, i.identity).where(i.seen.is_not(None)))
    return {row.backend: row.identity for row in found}


def choose(connection: Connection, backend: str, identity: UUID) -> UUID:
    """Return the identity that the storage of a backend has, or shall get: the first one chosen."""
    values = {"backend": backend, "identity": identity}
    connection.execute(insert(t.backend_identity).values(values).on_conflict_do_nothing())
    chosen: UUID = connection.execute(select(i.identity).where(i.backend == backend)).scalar_one()
    return chosen


def confirm(connection: Connection, backend: str) -> None:
    """Note that storage was seen with the identity that was chosen."""
    unseen = (i.backend == backend) & i.seen.is_(None)
    connection.execute(update(t.backend_identity).where(unseen).values(seen=func.now()))
