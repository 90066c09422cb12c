"""What people open: under a grant, on record in the log before any plaintext.

1. Decide, count the record against the grant, and append the line, in one transaction.
2. Wait for a checkpoint that holds the line.
3. Only then open; and decide again at each range.

A refusal is on record too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import grants, log, records, roster, tenants
from storage.client.regions import ServedRegion
from storage.errors import DomicileError, UnknownTenant
from storage.model import Actor, LineKind, Purpose, RecordId
from storage.packs.openings import absent, openable
from storage.packs.reader import Permitted, Reader
from storage.policy import Authority, may_open, may_open_flags


@dataclass(frozen=True, slots=True)
class StaffRead:
    """One person's read of one record of a tenant, for a purpose, under a grant.

    ``flags``: of what classifiers say of it alone.
    """

    served: ServedRegion
    tenant: str
    actor: Actor
    purpose: Purpose
    grant: UUID | None
    flags: bool = False

    def reader(self, record_id: RecordId) -> Reader:
        """Return a reader of that record, once the log has the line about it.

        Raises Erased, Expired, NotFound or PurposeRefused, and Unavailable if no checkpoint holds
        the line in time: nothing was opened.
        """
        region = self.served.region
        try:
            line = region.catalog.run(lambda connection: self._begin(connection, record_id))
        except DomicileError as error:
            self._note_refusal(record_id, error)
            raise
        self.served.log.publish(line)
        return Reader(region, self.served.keys, self._find)

    def _begin(self, connection: Connection, record_id: RecordId) -> UUID:
        """Decide, count the record against the grant, and append the line."""
        region, now = self.served.region, self.served.region.clock.now()
        found = self._find(connection, self.tenant, record_id)
        if found.permit.grant is not None:
            unique = record_id.unique
            grants.use(connection, found.permit.grant, unique, self.actor.id, now)
        facts = self._facts(record_id)
        return log.append(connection, LineKind.OPENING, facts, now, region.entropy)

    def _note_refusal(self, record_id: RecordId, error: DomicileError) -> None:
        """Append a line about a refusal. An outage is none: the catalog would not take it."""
        if error.retryable:
            return
        region = self.served.region
        reasons = list(getattr(error, "reasons", ()))
        facts = {**self._facts(record_id), "error": error.code, "reasons": reasons}
        with region.catalog.begin() as connection:
            now = region.clock.now()
            log.append(connection, LineKind.REFUSAL, facts, now, region.entropy)

    def _facts(self, record_id: RecordId) -> Mapping[str, str | None]:
        return {
            "actor": self.actor.id,
            "kind": self.actor.kind.value,
            "employer": self.actor.employer,
            "location": self.actor.location,
            "purpose": self.purpose.value,
            "grant": None if self.grant is None else str(self.grant),
            "tenant": self.tenant,
            "record": str(record_id),
            **({"part": "flags"} if self.flags else {}),
        }

    def _find(self, connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        """Decide now, from what the catalog has now: of the record, the grant and the person."""
        region = self.served.region
        authority = self._authority(connection, record_id)
        held = None if authority.grant is None else authority.grant.hold
        row, fenced, holds = None, False, frozenset[UUID]()
        if self.purpose is Purpose.LEGAL and held is not None:
            rows = records.under_hold(connection, held, tenant, only=record_id)
            row, holds = (rows[0], frozenset({held})) if rows else (None, holds)
        if row is None:
            found = records.find(connection, tenant, record_id)
            if found is None:
                raise absent(connection, tenant, record_id)
            row, fenced = found.row, found.fenced
        record = replace(openable(region, row, fenced=fenced), held_by=holds)
        decide = may_open_flags if self.flags else may_open
        access = decide(
            region.topology,
            record,
            self.actor,
            self.purpose,
            now=region.clock.now(),
            authority=authority,
        )
        return Permitted(row, access.demand())

    def _authority(self, connection: Connection, record_id: RecordId) -> Authority:
        region, wanted = self.served.region, self.grant
        terms = tenants.find(connection, self.tenant)
        if terms is None:
            raise UnknownTenant(reasons=("unknown_tenant",))
        grant = None if wanted is None else grants.find(connection, region.name, wanted)
        return Authority(
            grant,
            roster.entry(connection, self.actor.id),
            region.topology.residencies[terms.spec.residency].jurisdictions,
            terms.spec.traits,
            grant is not None and grants.used(connection, grant.id, record_id.unique),
        )
