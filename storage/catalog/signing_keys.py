"""The keys that signed receipts of a region, with the times of their first and last signature."""

from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t

k = t.signing_key.c


def note(connection: Connection, kid: str, public_key: bytes, now: datetime) -> None:
    """Record that the key signed now, in the transaction that stores the receipt."""
    given = insert(t.signing_key).values(
        kid=kid, public_key=public_key, first_signed=now, last_signed=now
    )
    connection.execute(
        given.on_conflict_do_update(
            index_elements=["kid"],
            # a worker whose clock is behind may come later
            set_={
                "first_signed": func.least(k.first_signed, given.excluded.first_signed),
                "last_signed": func.greatest(k.last_signed, given.excluded.last_signed),
            },
        )
    )


def history(connection: Connection) -> list[tuple[bytes, datetime, datetime]]:
    """Return each public key (32 bytes) with its first and last signature, oldest first."""
    rows = connection.execute(
        select(k.public_key, k.first_signed, k.last_signed).order_by(k.first_signed, k.kid)
    )
    return [(bytes(row[0]), row[1], row[2]) for row in rows]
