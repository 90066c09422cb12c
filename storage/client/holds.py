"""``store.admin.holds``: legal holds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import holds, records
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import (
    Id,
    as_id,
    as_uuid,
    check_hold,
    check_limit,
    check_note,
    check_tenant_id,
)
from storage.errors import NotFound
from storage.ledger import holds as hold_events
from storage.model import Hold, HoldSpec, PlacedHold, RecordInfo
from storage.packs.reader import info


class Holds:
    """Legal holds. Thread-safe.

    A hold keeps the records that it covers from being destroyed by anything: expiry, erasure or
    the end of a contract. It does not make them readable again for the tenant. A method that takes
    the id of a hold raises NotFound if there is none.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.holds`` instead."""
        self._homes = homes

    def place(self, spec: HoldSpec) -> PlacedHold:
        """Place a hold.

        On return it is in force. The result says how many records it covers, and for which it came
        too late. Raises UnknownTenant or WrongRegion.
        """
        check_hold(spec)
        served, _ = self._homes.find(spec.tenant)
        return hold_events.place(served.region, spec)

    def release(self, hold: UUID | str, *, why: str) -> Hold:
        """End a hold. Workers resume the deletions that it deferred.

        ``why`` is a short text for the record. Releasing it again changes nothing.
        """
        check_note("reason of a hold", why)
        served, found = self._find(hold)
        return hold_events.release(served.region, found.id, why)

    def show(self, hold: UUID | str) -> Hold:
        """Return a hold."""
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
        """Return the holds of a region that are in force, newest first.

        ``tenant`` narrows the list to one tenant; ``released=True`` includes released holds. At
        most ``limit`` (1 to 1000). To page, pass the last id as ``after``. Raises WrongRegion.
        """
        check_limit(limit)
        if tenant is not None:
            check_tenant_id(tenant)
        last = None if after is None else as_uuid(after, "a hold")
        with self._homes.served(region).region.catalog.begin() as connection:
            ids = holds.page(connection, tenant=tenant, released=released, after=last, limit=limit)
            return holds.show(connection, region, ids)[::-1]

    def records(
        self, hold: UUID | str, *, after: Id | None = None, limit: int = 100
    ) -> Sequence[RecordInfo]:
        """Return the records that a hold keeps, oldest first, erased and expired ones included.

        At most ``limit`` (1 to 1000). To page, pass the last id as ``after``. A released hold
        keeps nothing.
        """
        check_limit(limit)
        last = None if after is None else as_id(after)
        served, found = self._find(hold)
        with served.region.catalog.begin() as connection:
            rows = records.under_hold(connection, found.id, found.tenant, after=last, limit=limit)
        return [info(served.region, row) for row in rows]

    def _find(self, hold: UUID | str) -> tuple[ServedRegion, Hold]:
        wanted = as_uuid(hold, "a hold")

        def ask(served: ServedRegion, connection: Connection) -> tuple[ServedRegion, Hold] | None:
            found = holds.show(connection, served.region.name, [wanted])
            return (served, found[0]) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound("No such hold in the regions of this process.")
        return known
