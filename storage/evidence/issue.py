"""Build the receipt of a complete erasure from the evidence in the catalog."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import copies, deferrals, erasure_status, training
from storage.catalog.erasure_status import Evidence
from storage.evidence.receipts import (
    Acknowledgement,
    Deferral,
    Leaf,
    LeftByLaw,
    PostureSeen,
    Receipt,
)
from storage.ports import ItemKind
from storage.region import OpenRegion

_NOT_NOTED: Final = "not-noted"
_RUN: Final = "training-run"  # in the place of a processor: what a run was given, by one read


def build_receipt(
    region: OpenRegion, connection: Connection, erasure: UUID, now: datetime
) -> Receipt:
    """Return the unsigned receipt of an erasure. The caller has checked that it is complete."""
    facts = erasure_status.facts(connection, erasure)
    leaves = tuple(
        leaf
        for seen in erasure_status.evidence(connection, erasure)
        for leaf in _leaves(region, seen)
    )
    processors = tuple(_acknowledgements(connection, erasure))
    deferred = tuple(
        Deferral(hold=hold, records=records, since=since, until=until)
        for hold, records, since, until in deferrals.ended(connection, erasure)
    )
    ends = [
        *(leaf.absent_at for leaf in leaves),
        *(acknowledged.at for acknowledged in processors),
        *(hold.until for hold in deferred),
    ]
    # the clock of another process may be a little behind that of the request
    absent = max([facts.fenced, facts.planned, *ends])
    return Receipt(
        erasure=erasure,
        region=region.name,
        tenant=facts.tenant,
        scope=facts.scope,
        reason=facts.reason,
        requested=facts.requested,
        fenced=facts.fenced,
        unreadable_since=facts.fenced,
        absent_since=absent,
        last_key_copy_gone_by=absent + timedelta(days=region.region.catalog_backup_days),
        deleted=facts.deleted,
        leaves=leaves,
        processors=processors,
        deferred=deferred,
        kept=tuple(
            LeftByLaw(
                data_class=left.data_class,
                records=left.records,
                until=left.until,
                reason=left.reason,
            )
            for left in facts.kept
        ),
        issued_at=max(now, absent),
        topology=region.topology.digest,
    )


def _acknowledgements(connection: Connection, erasure: UUID) -> Iterator[Acknowledgement]:
    for confirmed in copies.confirmations(connection, erasure):
        yield Acknowledgement(
            copy_id=confirmed.copy,
            processor=confirmed.processor,
            how=confirmed.how,
            at=confirmed.acknowledged,
            digest=confirmed.digest.hex(),
        )
    for deleted in training.confirmations(connection, erasure):
        yield Acknowledgement(
            copy_id=deleted.read,
            processor=_RUN,
            how="attested",
            at=deleted.confirmed,
            digest=deleted.digest,
        )


def _leaves(region: OpenRegion, seen: Evidence) -> Iterator[Leaf]:
    """Yield a leaf for what was seen to be absent, and one for what was attested to be off."""
    kinds_by_how: dict[Literal["seen", "attested"], tuple[str, ...]]
    kinds_by_how = {"seen": seen.seen, "attested": seen.attested}
    for how, kinds in kinds_by_how.items():
        if kinds:
            yield Leaf(
                object=seen.object_id.hex,
                backend=seen.backend,
                sub_processor=seen.sub_processor or _present_company(region, seen.backend),
                located=seen.located or _NOT_NOTED,
                how=how,
                absent_at=seen.gone_at,
                control=seen.control.hex if seen.control is not None else _NOT_NOTED,
                posture=PostureSeen.model_validate(seen.posture) if seen.posture else None,
                looked_for=tuple(ItemKind(kind) for kind in kinds),
            )


def _present_company(region: OpenRegion, backend: str) -> str:
    """Return the company of the topology, for rows of earlier code, which did not note it."""
    companies = {spec.name: spec.sub_processor for spec in region.region.backends}
    return companies.get(backend, _NOT_NOTED)
