"""``store.admin.agreements``: the agreements with customers, and their history."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import agreements, log
from storage.catalog.engine import own_tenant
from storage.client.agreement_checks import check_agreement, check_day
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import as_uuid, check_tenant_id
from storage.errors import NotFound
from storage.model import Agreement, LineKind, RecordedAgreement
from storage.policy import in_force, may_record
from storage.region import OpenRegion


class Agreements:
    """The agreements with the tenants of the regions that this process serves. Thread-safe.

    They are only added to: an entry supersedes another one, and nothing is changed.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.agreements`` instead."""
        self._homes = homes

    def add(
        self, tenant: str, agreement: Agreement, *, supersedes: UUID | str | None = None
    ) -> RecordedAgreement:
        """Record an agreement that was signed, with its document and signatory.

        ``supersedes``: the entry that it replaces, of the same kind. Raises AgreementRefused with
        every reason, UnknownTenant or WrongRegion.
        """
        check_tenant_id(tenant)
        check_agreement(agreement)
        old = None if supersedes is None else as_uuid(supersedes, "an agreement")
        served, _ = self._homes.find(tenant)
        return self._record(served, tenant, agreement, old)

    def end(self, agreement: UUID | str, *, until: date) -> RecordedAgreement:
        """Record that an agreement ends: on the day ``until`` it is no longer in force.

        The day may have passed; it counts from then. Writes that need the agreement stop, and what
        is stored stays. Raises AgreementRefused, or NotFound.
        """
        check_day("until", until)
        served, found = self._find(agreement)
        ended = replace(found.agreement, until=until)
        return self._record(served, found.tenant, ended, found.id)

    def list(self, tenant: str, *, on: date | None = None) -> Sequence[RecordedAgreement]:
        """Return the history of a tenant's agreements, oldest first, superseded ones included.

        ``on``: only what is in force on that UTC day. Raises UnknownTenant or WrongRegion.
        """
        check_tenant_id(tenant)
        if on is not None:
            check_day("on", on)
        served, _ = self._homes.find(tenant)
        with served.region.catalog.begin() as connection:
            history = agreements.of_tenant(connection, tenant)
        return history if on is None else in_force(history, on)

    def _record(
        self, served: ServedRegion, tenant: str, agreement: Agreement, supersedes: UUID | None
    ) -> RecordedAgreement:
        region = served.region
        done = region.catalog.run(lambda c: _add(region, c, tenant, agreement, supersedes))
        self._homes.invalidate(tenant)
        return done

    def _find(self, agreement: UUID | str) -> tuple[ServedRegion, RecordedAgreement]:
        wanted = as_uuid(agreement, "an agreement")

        def ask(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, RecordedAgreement] | None:
            found = agreements.find(connection, wanted)
            return (served, found) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound(
                "No such agreement in the regions of this process.", advice="Check the id."
            )
        return known


def _add(
    region: OpenRegion,
    connection: Connection,
    tenant: str,
    agreement: Agreement,
    supersedes: UUID | None,
) -> RecordedAgreement:
    own_tenant(connection, tenant)
    now = region.clock.now()
    history = agreements.of_tenant(connection, tenant)
    if supersedes is not None and supersedes not in {entry.id for entry in history}:
        raise NotFound("The tenant has no such agreement.")
    may_record(
        agreement,
        history,
        supersedes=supersedes,
        founded=region.topology.founded,
        today=now.date(),
    ).demand()
    new = region.new_uuid(now)
    agreements.add(connection, new, tenant, agreement, supersedes=supersedes)
    facts: log.Facts = {
        "tenant": tenant,
        "agreement": str(new),
        "agreement_kind": agreement.kind,
        "document": agreement.document,
        "signed": agreement.signed.isoformat(),
        "since": agreement.begins.isoformat(),
        "until": None if agreement.until is None else agreement.until.isoformat(),
        "supersedes": None if supersedes is None else str(supersedes),
    }
    log.append(connection, LineKind.AGREEMENT, facts, now, region.entropy)
    done = agreements.find(connection, new)
    assert done is not None
    return done
