"""The receipt of an erasure that is complete, from what the catalog noted when it was seen."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import copies, deferrals, erasures
from storage.catalog.erasures import Evidence
from storage.evidence.receipts import Acknowledgement, Deferral, Leaf, Receipt
from storage.ports import ItemKind
from storage.region import OpenRegion

_NOBODY = "not-noted"


def build_receipt(
    region: OpenRegion, connection: Connection, erasure: UUID, now: datetime
) -> Receipt:
    """A receipt, to be signed. The caller has seen that the erasure waits for nothing."""
    deferred = [
        Deferral(hold=hold, records=records, since=since, until=until)
        for hold, records, since, until in deferrals.ended(connection, erasure)
    ]
    facts = erasures.facts(connection, erasure)
    leaves = tuple(
        leaf for seen in erasures.evidence(connection, erasure) for leaf in _leaves(region, seen)
    )
    processors = [
        Acknowledgement(
            copy_id=word.copy,
            processor=word.processor,
            how=word.how,
            at=word.acknowledged,
            digest=word.digest.hex(),
        )
        for word in copies.confirmations(connection, erasure)
    ]
    seen_last = [leaf.absent_at for leaf in leaves]
    said_last = [*(word.at for word in processors), *(hold.until for hold in deferred)]
    # another process's clock may be a little behind that of the request
    absent = max([facts.fenced, facts.planned, *seen_last, *said_last])
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
        processors=tuple(processors),
        deferred=tuple(deferred),
        issued_at=max(now, absent),
    )


def _leaves(region: OpenRegion, seen: Evidence) -> list[Leaf]:
    """What was seen to be absent, and what was only attested to be impossible there."""
    looked: list[tuple[Literal["seen", "attested"], tuple[str, ...]]]
    looked = [("seen", seen.seen), ("attested", seen.attested)]
    return [
        Leaf(
            object=seen.object_id.hex,
            backend=seen.backend,
            sub_processor=seen.sub_processor or _of_today(region, seen.backend),
            how=how,
            absent_at=seen.gone_at,
            looked_for=tuple(ItemKind(kind) for kind in kinds),
        )
        for how, kinds in looked
        if kinds
    ]


def _of_today(region: OpenRegion, backend: str) -> str:
    """Whose backend it is, for what former code saw: it did not note that."""
    named = {spec.name: spec.sub_processor for spec in region.region.backends}
    return named.get(backend, _NOBODY)
