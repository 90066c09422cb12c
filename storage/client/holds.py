"""``store.admin.holds``: legal holds."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import holds, records, tenants
from storage.client.hold_checks import check_carve_outs, check_document, check_hold
from storage.client.homes import Homes, unknown
from storage.client.regions import ServedRegion
from storage.client.validate import (
    Id,
    as_id,
    as_uuid,
    check_limit,
    check_note,
    check_tenant_id,
)
from storage.errors import InvalidRequest, NotFound
from storage.ledger import hold_changes
from storage.ledger import holds as hold_events
from storage.model import (
    CarveOut,
    ChangeKind,
    Hold,
    HoldChange,
    HoldSpec,
    PlacedHold,
    RecordInfo,
)
from storage.packs.reader import info
from storage.policy import term_of


class Holds:
    """Legal holds. Thread-safe.

    A hold keeps the records that it covers from being destroyed by anything: expiry, erasure or
    the end of a contract. It does not make them readable again for the tenant. A method that takes
    the id of a hold, or of a change, raises NotFound if there is none.

    Placing preserves at once. Everything else takes two people of the roster, who are known by the
    logins with which their processes connect to the catalog.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.holds`` instead."""
        self._homes = homes

    def place(self, spec: HoldSpec) -> PlacedHold:
        """Place a hold.

        On return it is in force. The result says how many records it covers, and for which it came
        too late. A second person must confirm it within 72 hours; it stays in force if nobody does,
        and nothing under it is read before. Raises UnknownTenant or WrongRegion.
        """
        check_hold(spec)
        if spec.tenant is None:
            served = self._homes.served(spec.region or "")
        else:
            served, _ = self._homes.find(spec.tenant)
        return hold_events.place(served.region, spec)

    def confirm(self, hold: UUID | str) -> Hold:
        """Confirm a hold that another person placed.

        If a process placed it, the first person who confirms it stands for it from then on, and a
        second one is still needed. A confirmed hold stays as it is. Raises HoldRefused.
        """
        served, found = self._find(hold)
        return hold_changes.confirm(served.region, found.id)

    def release(self, hold: UUID | str, *, why: str) -> HoldChange:
        """Request the end of a hold. Another person ends it with ``approve``.

        ``why`` is a short text for the record. Raises HoldRefused.
        """
        check_note("reason of a release", why)
        return self._request(hold, ChangeKind.RELEASE, why=why)

    def narrow(self, hold: UUID | str, *carve_outs: CarveOut, why: str) -> HoldChange:
        """Request that a hold lets go parts of what it covers, and only these.

        Another person puts it into force with ``approve``. ``why`` is a short text for the record.
        Raises HoldRefused, and UnknownTenant for an account of which the region knows no tenant.
        """
        check_carve_outs(carve_outs)
        if not carve_outs:
            raise InvalidRequest("A narrowing needs a carve-out.", advice="Pass one or more.")
        check_note("reason of a narrowing", why)
        served, _ = self._find(hold)
        with served.region.catalog.begin() as connection:
            for account in {name for part in carve_outs for name in part.accounts}:
                if not tenants.of_account(connection, account):
                    raise unknown("account", account)
        return self._request(hold, ChangeKind.NARROWING, why=why, carve_outs=carve_outs)

    def decide(self, hold: UUID | str, *, document: str, permitted: bool) -> HoldChange:
        """Request a decision: whether what a foreign authority ordered to be held may be read.

        ``document``: the SHA-256 of the legal opinion. Another person makes it true with
        ``approve``; the newest decision counts. Raises HoldRefused.
        """
        check_document(document)
        if not isinstance(permitted, bool):
            raise InvalidRequest("permitted must be True or False.")
        return self._request(hold, ChangeKind.DECISION, document=document, permitted=permitted)

    def approve(self, change: UUID | str) -> HoldChange:
        """Approve a change that another person requested: it is in force on return.

        Workers resume what a release or a narrowing lets go. The same approval again changes
        nothing. Raises HoldRefused.
        """
        wanted = as_uuid(change, "a change of a hold")

        def ask(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, HoldChange] | None:
            found = hold_changes.find(connection, wanted)
            return (served, found) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound(
                "No such change of a hold in the regions of this process.", advice="Check the id."
            )
        served, found = known
        return hold_changes.approve(served.region, found)

    def changes(self, hold: UUID | str, *, limit: int = 100) -> Sequence[HoldChange]:
        """Return the newest changes of a hold, newest first, also those that wait for approval.

        At most ``limit`` (1 to 1000).
        """
        check_limit(limit)
        served, found = self._find(hold)
        with served.region.catalog.begin() as connection:
            return hold_changes.of_hold(connection, found.id, limit)

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

        ``tenant`` narrows the list to holds that may cover something of it; ``released=True``
        includes released holds. At most ``limit`` (1 to 1000). To page, pass the last id as
        ``after``. Raises WrongRegion.
        """
        check_limit(limit)
        if tenant is not None:
            check_tenant_id(tenant)
        last = None if after is None else as_uuid(after, "a hold")
        with self._homes.served(region).region.catalog.begin() as connection:
            ids = holds.page(connection, tenant=tenant, released=released, after=last, limit=limit)
            return holds.show(connection, region, ids)[::-1]

    def records(
        self,
        hold: UUID | str,
        *,
        tenant: str | None = None,
        after: Id | None = None,
        limit: int = 100,
    ) -> Sequence[RecordInfo]:
        """Return the records that a hold keeps, oldest first, erased and expired ones included.

        ``tenant``: whose, for a hold on more than one. At most ``limit`` (1 to 1000). To page, pass
        the last id as ``after``. A released hold keeps nothing.
        """
        check_limit(limit)
        last = None if after is None else as_id(after)
        served, found = self._find(hold)
        whose = _tenant_of(found, tenant)
        with served.region.catalog.begin() as connection:
            rows = records.under_hold(connection, found.id, whose, after=last, limit=limit)
        bounds = served.region.topology.bounds
        return [info(row, term_of(row.id.day, bounds)) for row in rows]

    def _request(self, hold: UUID | str, kind: ChangeKind, **what: Any) -> HoldChange:  # noqa: ANN401
        served, found = self._find(hold)
        return hold_changes.request(served.region, found.id, kind, **what)

    def _find(self, hold: UUID | str) -> tuple[ServedRegion, Hold]:
        wanted = as_uuid(hold, "a hold")

        def ask(served: ServedRegion, connection: Connection) -> tuple[ServedRegion, Hold] | None:
            found = holds.show(connection, served.region.name, [wanted])
            return (served, found[0]) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound("No such hold in the regions of this process.", advice="Check the id.")
        return known


def _tenant_of(hold: Hold, given: str | None) -> str:
    """Return the tenant of a hold or, if it is on more than one, the one that the caller names."""
    if hold.tenant is None:
        if given is None:
            raise InvalidRequest(
                "The hold is on more than one tenant.", advice="Name the tenant of the records."
            )
        check_tenant_id(given)
        return given
    if given not in (None, hold.tenant):
        raise InvalidRequest("The hold is on another tenant.", advice="Leave out the tenant.")
    return hold.tenant
