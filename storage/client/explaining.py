"""Collect the facts of a record, and say whether it may be used for a purpose on a day."""

from datetime import date

from regions.model import DataClass, Purpose, Topology
from storage.catalog import records
from storage.catalog.tenants import TenantTerms
from storage.model import ActorKind, EpochFacts, PurposeExplanation, RecordId
from storage.packs.openings import absent
from storage.policy import (
    NONE_RECORDED,
    OPENERS,
    AccessReason,
    Consent,
    Usable,
    ceiling_of,
    epoch_of,
    may_use,
    term_of,
)
from storage.region import OpenRegion


def explain_purpose(
    region: OpenRegion, terms: TenantTerms, record_id: RecordId, purpose: Purpose, at: date | None
) -> PurposeExplanation:
    """Return whether a record may be used. ``at``: None for today. Raises NotFound or Erased."""
    topology, tenant = region.topology, terms.spec.id
    with region.catalog.begin() as connection:
        known = records.find_with_holds(connection, tenant, record_id)
        if known is None:
            raise absent(connection, tenant, record_id)
    (found, held), day = known, at or region.clock.now().date()
    row = found.row
    origin = row.origin_date or row.id.minted.date()
    term = term_of(row.id.day, topology.bounds)
    consent, recorded = _consent()
    usable = Usable(
        row.id.data_class,
        origin,
        term.readable_until,
        erased=found.fenced,
        held=held,
        traits=terms.spec.traits,
        consent=consent,
    )
    reasons = may_use(topology, usable, purpose, day)
    rule, openers = topology.classes.get(row.id.data_class), OPENERS[purpose]
    return PurposeExplanation(
        row.id,
        purpose,
        day,
        reasons == (AccessReason.ALLOWED,),
        reasons=tuple(reason.value for reason in reasons),
        openers=tuple(sorted(openers)),
        grant=bool(openers & {ActorKind.EMPLOYEE, ActorKind.CONTRACTOR}),
        origin_date=origin,
        taken_from=row.taken_from,
        epoch=_facts(topology, row.id.data_class, origin),
        epoch_then=_facts(topology, row.id.data_class, day),
        purposes=tuple(sorted(rule.purposes)) if rule is not None else (),
        readable_until=term.readable_until,
        deadline=term.deadline,
        erased=found.fenced,
        held=held,
        flagged=row.sealed_flags is not None,
        consent=recorded,
    )


def _consent() -> tuple[Consent, str]:
    """Return what is known of consent, and in words: here its events come in once there are any."""
    return NONE_RECORDED, "none recorded"


def _facts(topology: Topology, data_class: DataClass, day: date) -> EpochFacts:
    epoch = epoch_of(topology, day)
    if epoch is None:
        return EpochFacts(None, None, None)
    train = epoch.train.value if epoch.train is not None else None
    return EpochFacts(epoch.begins, train, ceiling_of(topology, data_class, day))
