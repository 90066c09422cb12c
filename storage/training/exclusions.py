"""What a run of training, or a fine-tuned model, must not use any more."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from regions.model import Purpose
from storage.catalog import consents, training
from storage.catalog.engine import share_tenants
from storage.catalog.training import Used
from storage.model import Exclusion, ExclusionReason
from storage.policy import Statement, refused_since
from storage.region import OpenRegion

_PAGE = 1000


def excluded(
    region: OpenRegion, run: str, purpose: Purpose, tenant: str | None = None
) -> Iterator[Exclusion]:
    """Yield what a run, or a model, was given and must not use any more.

    That is what was erased since, and of a run what was refused since: also what was consented to
    again later.
    """
    with region.catalog.begin() as connection:
        reads = training.reads_of(connection, run, purpose, tenant)
    for read in reads:
        after: bytes | None = None
        while page := _page(region, read, after):
            after = page[-1][0].record.unique
            yield from (found for _, found in page if found is not None)


def _page(
    region: OpenRegion, read: UUID, after: bytes | None
) -> Sequence[tuple[Used, Exclusion | None]]:
    with region.catalog.begin() as connection:
        first = training.used(connection, read, after, 1)
        if not first:
            return []
        # who erases or withdraws has committed, or comes after the list
        share_tenants(connection, [first[0].tenant])
        used = training.used(connection, read, after, _PAGE)
        tenant, subjects = used[0].tenant, {x.subject for x in used if x.subject is not None}
        said = consents.said(connection, tenant, subjects, ended=True)
    return [(one, _excluded(one, said)) for one in used]


def _excluded(one: Used, said: Sequence[Statement]) -> Exclusion | None:
    if one.erased:
        return Exclusion(one.tenant, one.record, ExclusionReason.ERASED)
    refusal = refused_since(
        said,
        data_class=one.record.data_class,
        origin=one.origin,
        subject=one.subject,
        at=one.at,
    )
    if refusal is None:
        return None
    return Exclusion(one.tenant, one.record, ExclusionReason.WITHDRAWN, refusal.id)


def is_known(region: OpenRegion, run: str, purpose: Purpose, tenant: str | None) -> bool:
    """Return whether a run was given something here, or a model is the tenant's own."""
    with region.catalog.begin() as connection:
        if tenant is not None and training.is_own_model(connection, run, tenant):
            return True
        return bool(training.reads_of(connection, run, purpose, tenant))


def confirm_deleted(
    region: OpenRegion,
    run: str,
    purpose: Purpose,
    *,
    tenant: str | None = None,
    listed: datetime,
    document: str,
    by: str,
) -> int:
    """Note that a run has nothing of what was on its list; return of how many reads."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        reads = training.reads_of(connection, run, purpose, tenant)
        training.confirm(connection, reads, listed=listed, digest=document, actor=by, now=now)
    return len(reads)
