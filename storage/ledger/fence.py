"""The first step of an erasure: the fence, which makes it true at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from storage.catalog import erasures, pseudonym_keys
from storage.errors import InvalidRequest
from storage.events import NewErasure
from storage.ledger.journal import commit_event
from storage.model import Erasure, Reason, RecordId, Scope, ScopeKind
from storage.policy import cutoff, fence_until
from storage.region import OpenRegion

Sleep = Callable[[float], None]

_TICK = timedelta(milliseconds=1)  # what an id tells apart
_ALWAYS = datetime(9999, 12, 31, tzinfo=UTC)  # an id names its record whenever it was minted
_NAMESAKES = timedelta(days=1)  # the same request makes the same id until its UTC day is over


def fence(
    region: OpenRegion,
    tenant: str,
    scope: Scope,
    *,
    reason: Reason,
    ticket: str | None,
    pause: Sleep,
) -> Erasure:
    """Commit an erasure and its fence. No read that begins later gives what it covers.

    It covers what was minted before the call. Returns when the clocks of all processes are past
    its cutoff, so that an id that is minted after the return is never covered. Raises what
    ``commit_event`` raises.
    """
    named = scope.kind is ScopeKind.RECORD
    now = region.clock.now()
    covered = _covered(region, now)
    new = NewErasure(
        id=region.new_uuid(now),
        tenant=tenant,
        scope=scope.kind,
        sought=_sought(region, tenant, scope),
        reason=reason,
        ticket=ticket,
        requested=now,
        cutoff=_ALWAYS if named else covered,
        until=fence_until(covered + _NAMESAKES if named else covered, region.topology.bounds),
    )
    versions = region.pseudonyms.versions
    commit_event(region, new, lambda c: pseudonym_keys.check_complete(c, region.name, versions))
    # those that are behind must be past it too
    over = covered + 2 * region.clock.error + _TICK
    while (left := over - region.clock.now()) > timedelta():
        pause(left.total_seconds())
    with region.catalog.begin() as connection:
        return erasures.show(connection, region.name, [new.id])[0]


def _covered(region: OpenRegion, now: datetime) -> datetime:
    """The cutoff, on a whole tick as the times in ids are."""
    covered = cutoff(now, 2 * region.clock.error)
    return covered + (datetime.min.replace(tzinfo=UTC) - covered) % _TICK


def _sought(region: OpenRegion, tenant: str, scope: Scope) -> tuple[bytes, ...]:
    """What the catalog knows the scope by."""
    match scope.kind:
        case ScopeKind.RECORD:
            return (RecordId.parse(scope.value).unique,)
        case ScopeKind.SUBJECT:
            return tuple(region.pseudonyms.all(tenant, "subject", scope.value))
        case ScopeKind.GROUP:
            return tuple(region.pseudonyms.all(tenant, "group", scope.value))
        case ScopeKind.TENANT:
            return ()
        case ScopeKind.ACCOUNT:
            raise InvalidRequest("A tenant cannot erase its account.", advice="Use store.erase.")
