"""What a tenant's own service, a machine, or a copy for a processor may open."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from regions.model import Purpose, Service
from storage.catalog import fences, readable, roster, tenants
from storage.catalog.objects import Replica
from storage.catalog.records import Found, Row
from storage.catalog.tenants import TenantTerms
from storage.errors import Erased, Expired, NotFound
from storage.model import Actor, ActorKind, DataClass, Hold, RecordId, RecordInfo
from storage.packs.reader import Find, Permitted, info
from storage.policy import (
    Access,
    AccessReason,
    Authority,
    Openable,
    Term,
    for_return_alone,
    may_open,
    may_open_flags,
    may_read_held,
    term_now,
)
from storage.region import OpenRegion


def for_tenant(region: OpenRegion, actor: Actor, purpose: Purpose | Service) -> Find:
    """Return a ``Find`` for what an actor without a grant may open for a purpose.

    It raises NotFound, Erased, Expired or PurposeRefused. Nothing is opened for screening: there
    content goes to a classifier alone.
    """

    def find(connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        if purpose is Purpose.ABUSE_SCREENING:
            Access(AccessReason.SCREENING_ONLY).demand()
        found, stored = _find(connection, tenant, record_id)
        permit = access(region, connection, found, actor, purpose).demand()
        return Permitted(found.row, permit, term_of_found(region, found), stored)

    return find


def check_readable(region: OpenRegion, hold: Hold) -> None:
    """Raise HoldRefused unless what a hold keeps may be read."""
    jurisdiction = region.region.jurisdiction
    gdpr = region.topology.jurisdictions[jurisdiction].gdpr
    may_read_held(hold, jurisdiction, gdpr=gdpr).demand()


def for_flags(region: OpenRegion, actor: Actor, purpose: Purpose) -> Find:
    """Return a ``Find`` for the records whose flags an actor may open for a purpose."""

    def find(connection: Connection, tenant: str, record_id: RecordId) -> Permitted:
        found, stored = _find(connection, tenant, record_id)
        opening = access(region, connection, found, actor, purpose, flags=True)
        return Permitted(found.row, opening.demand(), term_of_found(region, found), stored)

    return find


def access(
    region: OpenRegion,
    connection: Connection,
    found: Found,
    actor: Actor,
    purpose: Purpose | Service,
    *,
    flags: bool = False,
) -> Access:
    """Return whether an actor without a grant may open a record, or its flags, for a purpose."""
    # what its own service serves to a tenant, it may have at any time
    terms = None if purpose is Purpose.SERVE else tenants.find(connection, found.row.tenant)
    term = term_of_found(region, found)
    record = openable(region, found.row, term, fenced=found.fenced, terms=terms)
    known = authority(region, connection, actor, terms)
    decide, now = may_open_flags if flags else may_open, region.clock.now()
    return decide(
        region.topology,
        record,
        actor,
        purpose,
        now=now,
        login_of_person=region.session.of_person(connection),
        authority=known,
    )


class Decide(Protocol):
    """Permits to open one record, given its row, its tenant's retention, and if it is fenced.

    Raises Erased, Expired or PurposeRefused.
    """

    def __call__(
        self, row: Row, own: Mapping[DataClass, int], *, fenced: bool = False
    ) -> Permitted: ...


def decider(
    region: OpenRegion,
    connection: Connection,
    tenant: str,
    actor: Actor,
    purpose: Purpose,
    *,
    now: datetime,
    flags: bool = False,
) -> Decide:
    """Return what decides of many records of a tenant whether an actor may open them ``now``.

    The actor has no grant. ``flags``: of their flags rather than their content.
    """
    terms = None if purpose is Purpose.SERVE else tenants.find(connection, tenant)
    known = authority(region, connection, actor, terms)
    of_person = region.session.of_person(connection)
    may = may_open_flags if flags else may_open

    def decide(row: Row, own: Mapping[DataClass, int], *, fenced: bool = False) -> Permitted:
        term = term_of_row(region, row, own)
        access = may(
            region.topology,
            openable(region, row, term, fenced=fenced, terms=terms),
            actor,
            purpose,
            now=now,
            login_of_person=of_person,
            authority=known,
        )
        return Permitted(row, access.demand(), term)

    return decide


def authority(
    region: OpenRegion, connection: Connection, actor: Actor, known: TenantTerms | None
) -> Authority | None:
    """Return what an opening by a machine rests on. Others have nothing without a grant."""
    if actor.kind is not ActorKind.MACHINE or known is None:
        return None
    residency = region.topology.residencies[known.spec.residency].jurisdictions
    return Authority(None, roster.entry(connection, actor.id), residency, known.spec.traits)


def _find(
    connection: Connection, tenant: str, record_id: RecordId
) -> tuple[Found, Sequence[Replica]]:
    found = readable.find(connection, tenant, record_id)
    if found is None:
        raise absent(connection, tenant, record_id)
    return found


def term_of_found(region: OpenRegion, found: Found) -> Term:
    """Return how long a record is kept, by the retention that is in force now."""
    return term_of_row(region, found.row, found.retention)


def term_of_row(region: OpenRegion, row: Row, own: Mapping[DataClass, int]) -> Term:
    """Return how long a record is kept. ``own``: the retention that its tenant set."""
    return term_now(region.topology, own, row.id, row.origin_date, row.readable_until)


def openable(
    region: OpenRegion, row: Row, term: Term, *, fenced: bool, terms: TenantTerms | None
) -> Openable:
    """Return what the policy must know of a record. ``terms``: of its tenant, but for ``serve``."""
    return Openable(
        row.tenant,
        row.id.unique,
        row.id.data_class,
        term.readable_until,
        fenced,
        row.subject,
        row.group,
        flagged=row.sealed_flags is not None,
        to_return=terms is not None
        and for_return_alone(region.topology, terms.spec, region.clock.now().date()),
        origin=row.came_in,
    )


def look(
    region: OpenRegion, connection: Connection, tenant: str, record_id: RecordId
) -> RecordInfo:
    """Return what is known of a record that is there. Raises NotFound, Erased or Expired."""
    found, _ = _find(connection, tenant, record_id)
    term = term_of_found(region, found)
    if found.fenced:
        raise Erased
    if term.readable_until is not None and region.clock.now() >= term.readable_until:
        raise Expired
    return info(found.row, term)


def absent(connection: Connection, tenant: str, record_id: RecordId) -> Erased | NotFound:
    """Return the error for a record that has no row: it may have been erased."""
    if fences.fenced_by_name(connection, tenant, record_id):
        return Erased()
    return NotFound(advice="Check the id and the tenant.")
