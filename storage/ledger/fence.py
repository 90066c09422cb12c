"""Commit an erasure and its fence: from then on, no read returns what it covers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import erasure_status, pseudonym_keys, tenants
from storage.errors import InvalidRequest
from storage.events import NewErasure
from storage.ledger.journal import Check, commit_event
from storage.model import Erasure, Reason, RecordId, Scope, ScopeKind
from storage.policy import cutoff, fence_until, spared_from
from storage.ports import Clock
from storage.region import OpenRegion

Sleep = Callable[[float], None]

_TICK = timedelta(milliseconds=1)  # the resolution of the times in ids
_LONGEST_SLEEP = timedelta(seconds=1)  # then a clock that was set back may be right again
_ALWAYS = datetime(9999, 12, 31, tzinfo=UTC)  # an id matches whenever it was minted
_REMINTED = timedelta(days=1)  # an idempotency key mints the same id for the rest of its UTC day


def fence(
    region: OpenRegion,
    tenant: str,
    scope: Scope,
    *,
    reason: Reason,
    ticket: str | None,
    sleep: Sleep,
    erasure: UUID | None = None,
    check: Check = lambda _: None,
) -> Erasure:
    """Commit an erasure and its fence. No read that begins later returns what it covers.

    It covers ids that were minted before the call, but no events whose floor is not over: the
    erasure says how many those are. Returns when the clocks of all processes are
    past its cutoff, so an id that is minted after the return is never covered. Raises UnknownTenant
    if the tenant was removed meanwhile, and what ``commit_event`` raises. ``erasure``: its id, if
    it has one already. ``check``: what else must hold in its transaction.
    """
    named = scope.kind is ScopeKind.RECORD
    now = region.clock.now()
    covered = _cutoff(region)
    new = NewErasure(
        id=erasure or region.new_uuid(now),
        tenant=tenant,
        scope=scope.kind,
        match_values=match_values(region, tenant, scope),
        reason=reason,
        ticket=ticket,
        requested=now,
        cutoff=_ALWAYS if named else covered,
        until=fence_until(covered + _REMINTED if named else covered),
        spared_from=spared_from(region.topology, now),
    )

    def may(connection: Connection) -> None:
        check_event(region, connection, tenant)
        check(connection)

    commit_event(region, new, may)
    with region.catalog.begin() as connection:
        shown = erasure_status.show(connection, region.name, [new.id])[0]
    _wait_past(region.clock, covered, sleep)
    return shown


def check_event(region: OpenRegion, connection: Connection, tenant: str) -> None:
    """Check again, under the tenant's lock, what an erasure or a hold rests on.

    Raises UnknownTenant if the tenant was removed, and KeyUnavailable if a pseudonym key is new.
    """
    tenants.check_known(connection, tenant)
    pseudonym_keys.check_complete(connection, region.name, region.pseudonyms.versions)


def _cutoff(region: OpenRegion) -> datetime:
    """Return the last time that an id may have which any process has minted before.

    Its own clock counts too: others agree with it if the database's was set back meanwhile.
    """
    covered = cutoff(max(region.clock.ask(), region.clock.now()), region.clock.error)
    return covered - (covered - datetime.min.replace(tzinfo=UTC)) % _TICK


def _wait_past(clock: Clock, covered: datetime, sleep: Sleep) -> None:
    """Wait until no process mints an id that is covered, also none whose clock is behind."""
    over = covered + _TICK + clock.error
    while (left := over - min(clock.ask(), clock.now())) > timedelta():
        sleep(min(left, _LONGEST_SLEEP).total_seconds())


def match_values(region: OpenRegion, tenant: str, scope: Scope) -> tuple[bytes, ...]:
    """Return the values by which the catalog finds the scope."""
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
        case ScopeKind.REGION:
            raise InvalidRequest("A region is held as a whole, and never erased.")
        case ScopeKind.CLASS:
            raise InvalidRequest("A class is erased by its retention alone.")
