"""What people open: on record in the log before any plaintext, and under a grant.

1. Decide, count the record against the grant, and append the line, in one transaction.
2. Wait for a checkpoint that holds the line.
3. Only then open; and decide again at each range.

A refusal is on record too.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import grants, holds, log, records, roster, tenants
from storage.catalog.log import Facts
from storage.catalog.records import Row
from storage.client.lines import approvers, facts_of, noting
from storage.client.regions import ServedRegion
from storage.errors import UnknownTenant
from storage.model import Actor, ActorKind, Grant, LineKind, Purpose, RecordId
from storage.packs.openings import absent, check_readable, openable, term_of_found
from storage.packs.reader import Opened, Permitted, Reader
from storage.policy import (
    Access,
    AccessReason,
    Authority,
    Openable,
    Term,
    may_open,
    may_open_flags,
    term_of,
)


@dataclass(frozen=True, slots=True)
class RecordedRead:
    """A read that is on record: of one record of a tenant, by an actor, for a purpose.

    ``grant``: a person needs one. ``flags``: of what classifiers say of the record, and no more.
    """

    served: ServedRegion
    tenant: str
    actor: Actor
    purpose: Purpose
    grant: UUID | None
    flags: bool = False

    def reader(self, record_id: RecordId) -> Reader:
        """Return a reader of that record, once the log has the line about it.

        Raises Erased, Expired, NotFound, PurposeRefused or HoldRefused, and Unavailable if no
        checkpoint holds the line in time: nothing was opened.
        """
        region = self.served.region
        with noting(region, self.facts(record_id)):
            line = region.catalog.run(lambda connection: self._begin(connection, record_id))
        self.served.log.publish(line)
        return _Noted(self)

    def _begin(self, connection: Connection, record_id: RecordId) -> UUID:
        """Decide, count the record against the grant, and append the line."""
        region, now = self.served.region, self.served.region.clock.now()
        facts = self.facts(record_id)
        permit = self.find(connection, self.tenant, record_id).permit
        if permit.grant is not None:
            grants.use(connection, permit.grant, record_id.unique, self.actor.id, now)
            grant = grants.find(connection, region.name, permit.grant)
            assert grant is not None
            facts = {**facts, "case": grant.case, "approved_by": approvers(grant)}
        return log.append(connection, LineKind.OPENING, facts, now, region.entropy)

    def facts(self, record_id: RecordId) -> Facts:
        """Return what a line says of the read."""
        return {
            **facts_of(self.actor, self.tenant, self.purpose.value),
            "grant": None if self.grant is None else str(self.grant),
            "record": str(record_id),
            **({"part": "flags"} if self.flags else {}),
        }

    def find(self, connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        """Decide now, from what the catalog has now: of the record, the grant and the person."""
        region, authority = self.served.region, None
        if self.actor.kind is not ActorKind.CUSTOMER:
            authority = self._authority(connection, record_id)
        grant = None if authority is None else authority.grant
        row, record, term = self._record(connection, tenant, record_id, grant)
        decide = may_open_flags if self.flags else may_open
        access = decide(
            region.topology,
            record,
            self.actor,
            self.purpose,
            now=region.clock.now(),
            login_of_person=region.session.of_person(connection),
            authority=authority,
        )
        return Permitted(row, access.demand(), term)

    def _record(
        self, connection: Connection, tenant: str, record_id: RecordId, grant: Grant | None
    ) -> tuple[Row, Openable, Term]:
        """Return a record, erased and expired ones included if the hold of the grant keeps them."""
        region, hold = self.served.region, None if grant is None else grant.hold
        if self.purpose is Purpose.LEGAL and hold is not None:
            rows = records.under_hold(connection, hold, tenant, only=record_id)
            if not rows:
                Access(AccessReason.NOT_HELD).demand()
            check_readable(region, holds.show(connection, region.name, [hold])[0])
            term = term_of(rows[0].id.day, region.topology.bounds)
            known = openable(region, rows[0], term, fenced=False, terms=None)
            return rows[0], replace(known, held_by=frozenset({hold})), term
        found = records.find(connection, tenant, record_id)
        if found is None:
            raise absent(connection, tenant, record_id)
        term, terms = term_of_found(region, found), tenants.find(connection, tenant)
        known = openable(region, found.row, term, fenced=found.fenced, terms=terms)
        return found.row, known, term

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


class _Noted(Reader):
    """A reader of one opening, whose later refusals are on record too."""

    def __init__(self, read: RecordedRead) -> None:
        super().__init__(read.served.region, read.served.keys, read.find)
        self._read_of = read

    def opened(self, tenant: str, record_id: RecordId) -> Opened:
        """Decide again, and open. See ``Reader.opened``."""
        with noting(self._region, self._read_of.facts(record_id)):
            return super().opened(tenant, record_id)
