"""Hand a copy of a record to a processor.

Before the first byte leaves, the copy is in the ledger and its row is committed, under the tenant's
lock and after a check of the fences: an erasure finds every copy, and so does a restored catalog.
If a hand-over fails or its process dies, a worker requests the deletion of the copy, whether it
arrived or not.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from regions.model import SubProcessor
from storage.catalog import copies, records, tenants
from storage.catalog.tenants import TenantTerms
from storage.errors import (
    BodyTooLarge,
    Erased,
    HandOverRefused,
    ProcessorError,
    ProcessorUnavailable,
    UnknownTenant,
)
from storage.events import NewCopy
from storage.ledger.journal import commit_event
from storage.model import Actor, Copy, CopyState, HandedOver, RecordId
from storage.objects.keyring import KeyRing
from storage.packs.openings import access, for_tenant
from storage.packs.reader import Reader
from storage.policy import CopyTerm, copy_term, may_hand_over, term_now
from storage.region import OpenRegion


def hand_over(
    region: OpenRegion,
    keys: KeyRing,
    actor: Actor,
    terms: TenantTerms,
    *,
    record_id: RecordId,
    processor: str,
) -> HandedOver:
    """Deliver a copy of a record, or return its content to be carried to the processor by hand.

    Each call makes a copy of its own. Raises what reading raises, HandOverRefused or another
    Refused, BodyTooLarge, what ``commit_event`` raises (nothing was sent), and ProcessorError (the
    copy may have arrived, so its deletion is requested).
    """
    now, spec = region.clock.now(), terms.spec
    data_class, objections = record_id.data_class, terms.objections
    may_hand_over(region.topology, spec, data_class, processor, now, objections=objections).demand()
    company = region.topology.sub_processors[processor]
    reader = Reader(region, keys, for_tenant(region, actor, company.service))
    if reader.metadata(spec.id, record_id).info.size > region.limits.body:
        raise BodyTooLarge("A copy may have 16 MiB: this record is larger.")
    content = reader.get(spec.id, record_id).body
    with region.catalog.begin() as connection:
        row, term = _permitted(region, connection, actor, (spec.id, record_id), company)
    now, longest = region.clock.now(), region.connectors[processor].longest_request
    until = region.deadline(now, region.limits.attempt + region.limits.delivery)
    new = _new(region, row, company, now=now, land_by=until + longest, deadline=term.deadline)
    # Check again under the tenant's lock: no fence is committed before the row is.
    commit_event(region, new, lambda c: _permitted(region, c, actor, (spec.id, record_id), company))
    try:
        _deliver(region, new, until, content)
    except ProcessorError as error:
        with region.catalog.begin() as connection:
            copies.delivery_failed(connection, new.id, error.code, region.clock.now())
        raise
    with region.catalog.begin() as connection:
        if not copies.delivered(connection, new.id, region.clock.now(), term.ask_at):
            raise Erased  # a worker requests the copy's deletion
    carried = content if company.by_hand else None
    return HandedOver(new.id, processor, new.deadline, carried)


def _permitted(
    region: OpenRegion,
    connection: Connection,
    actor: Actor,
    name: tuple[str, RecordId],
    company: SubProcessor,
) -> tuple[records.Row, CopyTerm]:
    """Return the row of a tenant's record, and how long a copy may live. Raises if none may be."""
    known, found = tenants.find(connection, name[0]), records.find(connection, *name)
    if known is None:
        raise UnknownTenant(reasons=("unknown_tenant",))
    if found is None:  # it was there when it was read, a moment ago
        raise Erased
    now, data_class = region.clock.now(), found.row.id.data_class
    row = found.row
    term = term_now(
        region.topology, known.spec.retention, row.id, row.origin_date, row.readable_until
    )
    may_hand_over(
        region.topology, known.spec, data_class, company.name, now, objections=known.objections
    ).demand()
    access(region, connection, found, actor, company.service).demand()
    lives = copy_term(company, term, now)
    lives.demand()
    return found.row, lives


def _new(
    region: OpenRegion,
    of: records.Row,
    company: SubProcessor,
    *,
    now: datetime,
    land_by: datetime,
    deadline: datetime,
) -> NewCopy:
    assert company.connector is not None
    return NewCopy(
        id=region.new_uuid(now),
        tenant=of.tenant,
        uid=of.id.unique,
        data_class=of.id.data_class,
        expiry_day=of.id.day,
        origin=of.origin,
        subject=of.subject,
        group=of.group,
        ancestors=of.ancestors,
        processor=company.name,
        announced=now,
        land_by=land_by,
        deadline=deadline,
        lead=company.connector.lead,
    )


def _deliver(region: OpenRegion, new: NewCopy, until: datetime, content: bytes) -> None:
    """Deliver in one attempt, before the time at which a worker may confirm its absence."""
    left = (until - 2 * region.clock.error - region.clock.now()).total_seconds()
    if left <= 0:
        raise ProcessorUnavailable(new.processor, "its deadline passed before the delivery began")
    timeout = min(left, region.limits.delivery)
    region.connectors[new.processor].deliver(new.id, content, timeout=timeout)


def attest(region: OpenRegion, copy: UUID, digest: bytes, actor: str) -> Copy | None:
    """Record a person's attestation that a copy is deleted. None: the copy is not in this region.

    Raises HandOverRefused: ``not_manual``, or ``may_still_land`` if the delivery may be under way.
    """
    now = region.clock.now()
    with region.catalog.begin() as connection:
        found = copies.show(connection, copy)
        if found is None or found.state is CopyState.CONFIRMED:
            return found
        company = region.topology.sub_processors.get(found.processor)
        if company is None or not company.by_hand:
            raise HandOverRefused(
                f"{found.processor} signs its acknowledgements itself.",
                reasons=("not_manual",),
                advice="If it no longer can, set its connector to manual in sub_processors.toml.",
            )
        if not copies.delivery_is_over(connection, copy, now):
            raise HandOverRefused(
                "The delivery of the copy may still be under way.",
                reasons=("may_still_land",),
                advice="Try again in half an hour.",
            )
        copies.confirm(connection, copy, "attested", digest, now, actor=actor)
        return copies.show(connection, copy)
