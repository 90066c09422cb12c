"""The storage (directory or bucket) of each backend, by its identity, and what was lost."""

from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.model import Loss

s = t.backend_storage.c


def known(connection: Connection) -> dict[str, UUID]:
    """Return the identities that storage was seen with, by backend."""
    return {row.backend: row.identity for row in connection.execute(_known())}


@cache
def _known() -> Select[str, UUID]:
    return select(s.backend, s.identity).where(s.seen.is_not(None), s.lost.is_(None))


def ever(connection: Connection) -> set[str]:
    """Return the backends in which this catalog ever stored, also in storage that was lost."""
    return set(connection.scalars(select(s.backend).where(s.seen.is_not(None))))


def choose(connection: Connection, backend: str, identity: UUID) -> UUID | None:
    """Return the identity that the storage of a backend has, or shall get: the first one chosen.

    None: that storage was lost.
    """
    values = {"backend": backend, "identity": identity}
    connection.execute(insert(t.backend_storage).values(values).on_conflict_do_nothing())
    return connection.scalar(select(s.identity).where(s.backend == backend, s.lost.is_(None)))


def confirm(connection: Connection, backend: str, now: datetime) -> None:
    """Note that storage was seen with the identity that was chosen."""
    chosen = update(t.backend_storage).where(s.backend == backend, s.lost.is_(None))
    connection.execute(chosen.where(s.seen.is_(None)).values(seen=now))


def note_loss(
    connection: Connection, backend: str, now: datetime, *, actor: str, document: str
) -> bool:
    """Note that the storage of a backend is lost. Return False if there is none."""
    values = {"lost": now, "actor": actor, "document": document}
    query = update(t.backend_storage).where(s.backend == backend, s.lost.is_(None))
    return connection.execute(query.where(s.seen.is_not(None)).values(values)).rowcount == 1


def losses(connection: Connection) -> list[Loss]:
    """Return what was lost, the earliest first."""
    query = select(s.backend, s.identity, s.lost, s.actor, s.document).where(s.lost.is_not(None))
    return [Loss(*row) for row in connection.execute(query.order_by(s.lost, s.backend))]


def last_losses(connection: Connection) -> dict[str, datetime]:
    """Return when storage was lost last, by backend."""
    query = select(s.backend, func.max(s.lost)).where(s.lost.is_not(None)).group_by(s.backend)
    return {row[0]: row[1] for row in connection.execute(query)}
