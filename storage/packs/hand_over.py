"""Handing a copy of a record to a processor: announced, delivered, and asked back by a worker.

The row of the copy is committed before the first byte leaves, under the tenant's lock and after a
look at the fences: an erasure finds every copy, or the copy is not made. Whoever fails or dies in
between leaves a copy that is asked back, whether it has arrived or not.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from regions.model import SubProcessor
from storage.catalog import copies, records, tenants
from storage.catalog.copies import NewCopy
from storage.catalog.engine import share_tenants
from storage.errors import (
    BodyTooLarge,
    Erased,
    HandOverRefused,
    ProcessorError,
    ProcessorUnavailable,
    UnknownTenant,
)
from storage.model import Copy, CopyState, HandedOver, RecordId, TenantSpec
from storage.packs.reader import Reader
from storage.policy import copy_term, may_hand_over, may_open, term_of
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class _Announced:
    """A copy that may be sent until ``until``, and is to be asked back at ``ask_at``."""

    id: UUID
    company: SubProcessor
    until: datetime
    deadline: datetime
    ask_at: datetime


def hand_over(
    region: OpenRegion, reader: Reader, spec: TenantSpec, record_id: RecordId, processor: str
) -> HandedOver:
    """Deliver a copy of a record, or give its content to who carries it there.

    Each call makes a copy of its own. Raises what reading raises, HandOverRefused or another
    Refused, BodyTooLarge, and ProcessorError: then what may have arrived is asked back.
    """
    now = region.clock.now()
    may_hand_over(region.topology, spec, record_id.data_class, processor, now).lawful()
    service = region.topology.sub_processors[processor].service
    size = reader.metadata(spec.id, record_id, service).info.size
    if size > region.limits.body:
        raise BodyTooLarge("A copy may have 16 MiB: this record is larger.")
    content = reader.get(spec.id, record_id, service).body
    made = region.catalog.run(lambda c: _announce(region, c, spec.id, record_id, processor))
    try:
        _deliver(region, made, content)
    except ProcessorError as error:
        with region.catalog.begin() as connection:
            copies.give_up(connection, made.id, error.code, region.clock.now())
        raise
    with region.catalog.begin() as connection:
        if not copies.delivered(connection, made.id, region.clock.now(), made.ask_at):
            raise Erased  # meanwhile: the copy is being asked back
    carried = content if made.company.by_hand else None
    return HandedOver(made.id, processor, made.deadline, carried)


def _announce(
    region: OpenRegion, connection: Connection, tenant: str, record_id: RecordId, processor: str
) -> _Announced:
    """Everything is asked again: no erasure of the tenant commits until this is committed."""
    share_tenants(connection, [tenant])
    known, found = tenants.find(connection, tenant), records.find(connection, tenant, record_id)
    if known is None:
        raise UnknownTenant(reasons=("unknown_tenant",))
    if found is None:  # it was there a moment ago, when it was read
        raise Erased
    now, data_class = region.clock.now(), found.row.id.data_class
    term = term_of(found.row.id.day, region.topology.bounds)
    may_hand_over(region.topology, known.spec, data_class, processor, now).lawful()
    company = region.topology.sub_processors[processor]
    may_open(
        region.topology, data_class=data_class, purpose=company.service, now=now,
        readable_until=term.readable_until, fenced=found.fenced,
    ).demand()  # fmt: skip
    lives = copy_term(company, term, now)
    lives.demand()
    until, connector = region.deadline(now, region.limits.delivery), region.connectors[processor]
    assert company.connector is not None
    new = NewCopy(
        region.new_uuid(now), processor, now, until + connector.longest_request, lives.deadline,
        company.connector.lead,
    )  # fmt: skip
    copies.announce(connection, new, found.row)
    return _Announced(new.id, company, until, lives.deadline, lives.ask_at)


def _deliver(region: OpenRegion, made: _Announced, content: bytes) -> None:
    """In one attempt, and only as long as nobody has reason to think that it is over."""
    left = (made.until - 2 * region.clock.error - region.clock.now()).total_seconds()
    if left <= 0:
        raise ProcessorUnavailable(made.company.name, "the delivery was begun too late")
    timeout = min(left, region.limits.delivery)
    region.connectors[made.company.name].deliver(made.id, content, timeout=timeout)


def attest(region: OpenRegion, copy: UUID, digest: bytes, actor: str) -> Copy | None:
    """Record that a person has the processor's word; gives the copy, or None if it is not here.

    Raises HandOverRefused: ``not_manual``, or ``may_still_land`` (a delivery was just begun).
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
                advice="If it cannot any more, make its connector manual in sub_processors.toml.",
            )
        if not copies.is_settled(connection, copy, now):
            raise HandOverRefused(
                "The copy may still be handed over.",
                reasons=("may_still_land",),
                advice="Ask for its deletion again in half an hour.",
            )
        copies.confirm(connection, copy, "attested", digest, now, actor=actor)
        return copies.show(connection, copy)
