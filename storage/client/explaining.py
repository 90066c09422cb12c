"""Collect the facts of a record, and say whether it may be used for a purpose on a day."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection

from regions.model import DataClass, Purpose, Topology
from storage.catalog import consents, records
from storage.catalog.records import Found, Row
from storage.catalog.tenants import TenantTerms
from storage.model import (
    ActorKind,
    ConsentFacts,
    EpochFacts,
    PurposeExplanation,
    RecordId,
    Trait,
)
from storage.packs.openings import absent
from storage.policy import (
    OPENERS,
    AccessReason,
    InForce,
    Statement,
    Usable,
    ceiling_of,
    consent_in_force,
    epoch_of,
    for_return_alone,
    may_use,
    term_now,
)
from storage.region import OpenRegion


def explain_purpose(
    region: OpenRegion, terms: TenantTerms, record_id: RecordId, purpose: Purpose, at: date | None
) -> PurposeExplanation:
    """Return whether a record may be used. ``at``: None for today. Raises NotFound or Erased."""
    topology = region.topology
    with region.catalog.begin() as connection:
        found, held, said = _known(connection, terms.spec.id, record_id)
    row, now = found.row, region.clock.now()
    day = at or now.date()
    moment = now if day == now.date() else datetime.combine(day, time.min, UTC)
    term = term_now(topology, terms.spec.retention, row.id, row.origin_date, row.readable_until)
    to_return = for_return_alone(topology, terms.spec, day)
    consent = _consent(said, row, terms.spec.traits, moment)
    usable = Usable(
        row.id.data_class,
        row.came_in,
        term.readable_until,
        erased=found.fenced,
        held=held,
        flagged=row.sealed_flags is not None,
        traits=terms.spec.traits,
        to_return=to_return,
        consent=consent,
    )
    reasons = may_use(topology, usable, purpose, day, moment)
    rule, openers = topology.classes.get(row.id.data_class), OPENERS[purpose]
    return PurposeExplanation(
        row.id,
        purpose,
        day,
        reasons == (AccessReason.ALLOWED,),
        reasons=tuple(reason.value for reason in reasons),
        openers=tuple(sorted(openers)),
        grant=bool(openers & {ActorKind.EMPLOYEE, ActorKind.CONTRACTOR}),
        origin_date=row.came_in,
        taken_from=row.taken_from,
        epoch=_facts(topology, row.id.data_class, row.came_in),
        epoch_then=_facts(topology, row.id.data_class, day),
        purposes=tuple(sorted(rule.purposes)) if rule is not None else (),
        readable_until=term.readable_until,
        deadline=term.deadline,
        erased=found.fenced,
        held=held,
        flagged=row.sealed_flags is not None,
        to_return=to_return,
        consent=_said(consent),
    )


def _known(
    connection: Connection, tenant: str, record_id: RecordId
) -> tuple[Found, bool, list[Statement]]:
    """Return a record, whether a hold covers it, and what was said that may be about it."""
    known = records.find_with_holds(connection, tenant, record_id)
    if known is None:
        raise absent(connection, tenant, record_id)
    found, held = known
    subjects = [found.row.subject] if found.row.subject is not None else []
    return found, held, consents.said(connection, tenant, subjects, ended=True)


def _consent(
    said: Collection[Statement], row: Row, traits: Collection[Trait], moment: datetime
) -> InForce:
    return consent_in_force(
        said,
        data_class=row.id.data_class,
        purpose=Purpose.TRAIN,
        origin=row.came_in,
        subject=row.subject,
        per_subject=Trait.CONSENT_PER_SUBJECT in traits,
        now=moment,
    )


def _said(consent: InForce) -> ConsentFacts:
    said = consent.statement
    if said is None:
        return ConsentFacts(consent.reason.value, None, None, None)
    return ConsentFacts(consent.reason.value, said.id, said.given, said.wording)


def _facts(topology: Topology, data_class: DataClass, day: date) -> EpochFacts:
    epoch = epoch_of(topology, day)
    if epoch is None:
        return EpochFacts(None, None, None)
    train = epoch.train.value if epoch.train is not None else None
    return EpochFacts(epoch.begins, train, ceiling_of(topology, data_class, day))
