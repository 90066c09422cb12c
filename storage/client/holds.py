"""Legal holds, for those who place them and look at what they keep."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import holds, records
from storage.catalog.audit import note_opening
from storage.catalog.tenants import TenantTerms
from storage.client.files import OpenFile
from storage.client.validate import (
    Id,
    as_hold_id,
    as_id,
    check_actor,
    check_hold,
    check_limit,
    check_note,
)
from storage.errors import NotFound
from storage.ledger import holds as hold_events
from storage.model import Hold, HoldSpec, PlacedHold, Purpose, RecordInfo
from storage.objects.keyring import KeyRing
from storage.packs.reader import Reader, info, under_hold
from storage.policy import may_open_held
from storage.region import OpenRegion

T = TypeVar("T")


class ServedRegion(Protocol):
    """What is needed of a region."""

    @property
    def open(self) -> OpenRegion: ...
    @property
    def keys(self) -> KeyRing: ...


class Regions(Protocol):
    """The regions of a store."""

    def find(self, tenant: str) -> tuple[ServedRegion, TenantTerms]: ...
    def served(self, region: str) -> ServedRegion: ...
    def first(self, ask: Callable[[ServedRegion, Connection], T]) -> T | None: ...


class Holds:
    """Legal holds. Safe to use from many threads.

    A hold keeps what it covers from being destroyed by anything, and makes nothing readable again
    for the customer. Methods that take the id of a hold raise NotFound if there is none.
    """

    def __init__(self, regions: Regions) -> None:
        """Of a store."""
        self._regions = regions

    def place(self, spec: HoldSpec) -> PlacedHold:
        """Place a hold. On return it is in force, and the answer says what it came too late for.

        Raises InvalidRequest, UnknownTenant or WrongRegion.
        """
        check_hold(spec)
        served, _ = self._regions.find(spec.tenant)
        return hold_events.place(served.open, spec)

    def release(self, hold: UUID | str, *, why: str) -> Hold:
        """End a hold. What it deferred is resumed by the worker. The same again changes nothing."""
        check_note("reason", why)
        served, found = self._find(hold)
        return hold_events.release(served.open, found.id, why)

    def show(self, hold: UUID | str) -> Hold:
        """One hold."""
        return self._find(hold)[1]

    def list(
        self,
        region: str,
        *,
        tenant: str | None = None,
        released: bool = False,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Hold]:
        """Holds in force, newest first: 1 to 1000 before one of them; ``released``: those too."""
        check_limit(limit)
        before = None if after is None else as_hold_id(after)
        with self._regions.served(region).open.catalog.begin() as connection:
            ids = holds.page(
                connection, tenant=tenant, released=released, after=before, limit=limit
            )
            return holds.show(connection, region, ids)[::-1]

    def records(
        self, hold: UUID | str, *, after: Id | None = None, limit: int = 100
    ) -> Sequence[RecordInfo]:
        """What a hold keeps, oldest first: 1 to 1000 records after one of them.

        Erased and expired records too. Of a hold that is released: nothing.
        """
        check_limit(limit)
        last = None if after is None else as_id(after)
        served, found = self._find(hold)
        with served.open.catalog.begin() as connection:
            rows = records.under_hold(connection, found.id, found.tenant, after=last, limit=limit)
        return [info(served.open, row) for row in rows]

    def open(self, hold: UUID | str, id: Id, *, actor: str) -> OpenFile:
        """Open a record that a hold keeps, for the purpose ``legal``, erased or expired or not.

        ``actor`` says who reads, as your identity provider names them: it is in the audit log
        before anything is opened. Raises PurposeRefused if the hold is not in force or does not
        cover the record, and what reading raises.
        """
        record_id = as_id(id)
        check_actor(actor)
        served, found = self._find(hold)
        region, tenant = served.open, found.tenant
        with region.catalog.begin() as connection:
            rows = records.under_hold(connection, found.id, tenant, only=record_id)
            may_open_held(covered=bool(rows)).demand()
            now = region.clock.now()
            note_opening(
                connection,
                region.new_uuid(now),
                now,
                actor=actor,
                tenant=tenant,
                hold=found.id,
                record_id=record_id,
            )
        reader = Reader(region, served.keys, under_hold(found.id))
        opened = reader.metadata(tenant, rows[0].id, Purpose.LEGAL)
        return OpenFile(reader, tenant, Purpose.LEGAL, opened)

    def _find(self, hold: UUID | str) -> tuple[ServedRegion, Hold]:
        wanted = as_hold_id(hold)

        def look(served: ServedRegion, connection: Connection) -> tuple[ServedRegion, Hold] | None:
            found = holds.show(connection, served.open.name, [wanted])
            return (served, found[0]) if found else None

        known = self._regions.first(look)
        if known is None:
            raise NotFound("No such hold in the regions of this process.")
        return known
