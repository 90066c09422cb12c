"""The audit log: who opened what, for a purpose that is not the tenant's own."""

from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.model import Purpose, RecordId
from storage.region import OpenRegion


def note_opening(
    region: OpenRegion, connection: Connection, *, actor: str, tenant: str, hold: UUID,
    record_id: RecordId,
) -> None:  # fmt: skip
    """To be committed before plaintext is handed over."""
    now = region.clock.now()
    connection.execute(
        insert(t.audit).values(
            id=region.new_uuid(now), at=now, actor=actor, purpose=Purpose.LEGAL, tenant=tenant,
            hold_id=hold, uid=record_id.unique,
        )
    )  # fmt: skip
