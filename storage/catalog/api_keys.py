"""API keys, found by the hash of the key: how long that takes says nothing about the key."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, delete, insert, or_, select, update

from storage.catalog import tables as t
from storage.model import ApiKey, KeyScope

k = t.api_key.c

_NOTED: Final = timedelta(minutes=1)  # a use is noted at most so often


def add(connection: Connection, new: ApiKey, digest: bytes) -> None:
    """Insert a key. The caller shares the lock of its tenant, which exists."""
    connection.execute(
        insert(t.api_key).values(
            id=new.id, tenant=new.tenant, scope=new.scope, digest=digest, created=new.created
        )
    )


def use(connection: Connection, digest: bytes, now: datetime) -> ApiKey | None:
    """Return the key that has the hash, unless it is revoked, and note that it is used."""
    row = connection.execute(_keys().where(k.digest == digest, k.revoked.is_(None))).one_or_none()
    if row is None:
        return None
    before = now - _NOTED
    if row.last_used is None or row.last_used <= before:
        unnoted = or_(k.last_used.is_(None), k.last_used <= before)
        connection.execute(
            update(t.api_key).where(and_(k.id == row.id, unnoted)).values(last_used=now)
        )
    return _key(row)


def find(connection: Connection, key: UUID) -> ApiKey | None:
    """Return a key by its id."""
    row = connection.execute(_keys().where(k.id == key)).one_or_none()
    return None if row is None else _key(row)


def page(connection: Connection, tenant: str, after: UUID | None, limit: int) -> Sequence[ApiKey]:
    """Return keys of a tenant, oldest first, after one."""
    query = _keys().where(k.tenant == tenant).order_by(k.id).limit(limit)
    if after is not None:
        query = query.where(k.id > after)
    return [_key(row) for row in connection.execute(query)]


def revoke(connection: Connection, key: UUID, now: datetime) -> None:
    """Revoke a key. One that is revoked stays as it is."""
    connection.execute(
        update(t.api_key).where(k.id == key, k.revoked.is_(None)).values(revoked=now)
    )


def revoke_of_before(connection: Connection, now: datetime) -> int:
    """Revoke every key, as a restored catalog must; return how many."""
    done = connection.execute(update(t.api_key).where(k.revoked.is_(None)).values(revoked=now))
    return done.rowcount


def forget(connection: Connection, leaving: Select[str]) -> None:
    """Delete the keys of tenants that leave. ``leaving``: SQL that returns them."""
    connection.execute(delete(t.api_key).where(k.tenant.in_(leaving)))


def _keys() -> Select[UUID, str, str, datetime, datetime | None, datetime | None]:
    return select(k.id, k.tenant, k.scope, k.created, k.last_used, k.revoked)


def _key(row: Row[UUID, str, str, datetime, datetime | None, datetime | None]) -> ApiKey:
    return ApiKey(row.id, row.tenant, KeyScope(row.scope), row.created, row.last_used, row.revoked)
