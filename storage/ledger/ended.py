"""Erase what a shortened retention ended: an erasure of a class, up to a minting."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from storage.catalog import tenants
from storage.errors import TermsChanged
from storage.events import NewErasure
from storage.ledger.journal import commit_event
from storage.model import DataClass, Reason, ScopeKind
from storage.policy import fence_until
from storage.region import OpenRegion

_TICK = timedelta(milliseconds=1)  # the resolution of the times in ids


def erase_ended(
    region: OpenRegion, tenant: str, version: int, data_class: DataClass, before: datetime
) -> None:
    """Commit an erasure of what was minted earlier. Nothing of it can be read any more anyway.

    What is minted from now on is not in it, whatever ``before`` says: the tenant may keep it again
    by then. It is in the ledger, because a restored catalog may lack the terms that ended it.
    Raises TermsChanged unless ``version`` of its terms, by which it ended, is in force at the
    commit, and what ``commit_event`` raises.
    """
    now = region.clock.now()
    new = NewErasure(
        id=region.new_uuid(now),
        tenant=tenant,
        scope=ScopeKind.CLASS,
        match_values=(data_class.value.encode(),),
        reason=Reason.RETENTION,
        ticket=None,
        requested=now,
        cutoff=min(before, now) - _TICK,
        until=fence_until(now),
    )

    def check(connection: Connection) -> None:
        if tenants.versions(connection, [tenant]).get(tenant) != version:
            raise TermsChanged

    commit_event(region, new, check)
