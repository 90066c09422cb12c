"""The receipt of an erasure that is complete, from what the catalog has noted."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import erasures
from storage.catalog.erasures import Evidence
from storage.errors import ConfigurationError
from storage.evidence.receipts import Leaf, Receipt, key_id, sign
from storage.ports import TraceKind
from storage.region import OpenRegion


def receipt_for(region: OpenRegion, connection: Connection, erasure: UUID, now: datetime) -> str:
    """A signed receipt. The caller has seen that the erasure waits for nothing.

    Raises ConfigurationError if the topology has forgotten a backend that had to be purged.
    """
    facts = erasures.facts(connection, erasure)
    leaves = tuple(
        leaf for seen in erasures.evidence(connection, erasure) for leaf in _leaves(region, seen)
    )
    # another process's clock may be a little behind that of the request
    absent = max([facts.requested, facts.planned, *(leaf.absent_at for leaf in leaves)])
    receipt = Receipt(
        erasure=erasure,
        region=region.name,
        tenant=facts.tenant,
        scope=facts.scope,
        reason=facts.reason,
        requested=facts.requested,
        fenced=facts.requested,
        unreadable_since=facts.requested,
        absent_since=absent,
        last_key_copy_gone_by=absent + timedelta(days=region.region.catalog_backup_days),
        deleted=facts.deleted,
        leaves=leaves,
        issued_at=max(now, absent),
    )
    return sign(receipt, region.signing, key_id(region.signing.public_key()))


def _leaves(region: OpenRegion, seen: Evidence) -> list[Leaf]:
    """What was seen to be absent, and what is only attested to be impossible there."""
    spec = next((s for s in region.region.backends if s.name == seen.backend), None)
    if spec is None:
        raise ConfigurationError(
            f"A receipt has to name the backend {seen.backend}, which the topology has not.",
            advice="Keep a backend in the topology until no open erasure waits for it.",
        )
    sees = region.backends[seen.backend].sees
    attested = region.attested(seen.backend)
    looked: list[tuple[Literal["seen", "attested"], AbstractSet[TraceKind]]]
    looked = [("seen", sees), ("attested", attested)]
    return [
        Leaf(
            object=seen.object_id.hex,
            backend=seen.backend,
            sub_processor=spec.sub_processor,
            how=how,
            absent_at=seen.gone_at,
            looked_for=tuple(sorted(kinds)),
        )
        for how, kinds in looked
        if kinds
    ]
