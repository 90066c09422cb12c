"""The audit log: who opened which record for a purpose other than the tenant's own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.model import Purpose, RecordId


def note_opening(
    connection: Connection,
    entry: UUID,
    at: datetime,
    *,
    actor: str,
    tenant: str,
    hold: UUID,
    record_id: RecordId,
) -> None:
    """Insert an entry. Commit it before the plaintext is returned."""
    connection.execute(
        insert(t.audit).values(
            id=entry,
            at=at,
            actor=actor,
            purpose=Purpose.LEGAL,
            tenant=tenant,
            hold_id=hold,
            uid=record_id.unique,
        )
    )
