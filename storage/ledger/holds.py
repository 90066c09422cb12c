"""Place and release legal holds, and keep them effective under new pseudonym keys."""

from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import holds
from storage.crypto.envelope import open_name, seal_name
from storage.crypto.pseudonym import Kind, Pseudonyms
from storage.errors import InvalidRequest, NotFound
from storage.events import HoldRelease, NewHold
from storage.ledger.fence import check_event
from storage.ledger.journal import commit_event
from storage.model import Hold, HoldSpec, PlacedHold, RecordId, Scope, ScopeKind
from storage.policy import cutoff
from storage.ports import RootKeys
from storage.region import OpenRegion

_NAMED = (ScopeKind.SUBJECT, ScopeKind.GROUP)


def place(region: OpenRegion, spec: HoldSpec) -> PlacedHold:
    """Commit a hold. From then on nothing destroys what it covers.

    The result names what came first: expiry days that had begun to expire, erasures that had begun
    to delete. Raises UnknownTenant, and what ``commit_event`` raises.
    """
    new = _new(region, spec)
    answer: PlacedHold | None = None

    def then(connection: Connection) -> None:
        # Before the commit: afterwards a day that it names may be gone.
        nonlocal answer
        answer = _answer(region, connection, new.id)

    commit_event(region, new, lambda c: check_event(region, c, spec.tenant), then)
    if answer is not None:
        return answer
    with region.catalog.begin() as connection:  # a worker has applied it
        return _answer(region, connection, new.id)


def release(region: OpenRegion, hold: UUID, why: str) -> Hold:
    """Release a hold; the worker resumes what it deferred. Releasing it again changes nothing.

    Raises NotFound, and what ``commit_event`` raises.
    """
    known = _show(region, hold)
    if known.released is not None:
        return known
    now = region.clock.now()
    commit_event(region, HoldRelease(id=hold, tenant=known.tenant, why=why, at=now), lambda _: None)
    return _show(region, hold)


def _show(region: OpenRegion, hold: UUID) -> Hold:
    with region.catalog.begin() as connection:
        found = holds.show(connection, region.name, [hold])
    if not found:
        raise NotFound("No such hold in this region.")
    return found[0]


def _answer(region: OpenRegion, connection: Connection, hold: UUID) -> PlacedHold:
    return PlacedHold(
        holds.show(connection, region.name, [hold])[0],
        holds.count(connection, hold),
        tuple(holds.days_placed_too_late_for(connection, hold)),
        tuple(holds.erasures_placed_too_late_for(connection, hold)),
    )


def add_pseudonyms(connection: Connection, roots: RootKeys, pseudonyms: Pseudonyms) -> None:
    """Add the pseudonyms of named subjects and groups under these keys to the holds on them.

    Call it in the transaction that registers a new key, before anything is stored under the key.
    """
    holds.own(connection)
    for hold in holds.named(connection):
        name = open_name(roots, hold.sealed_name, _context(hold.id))
        found = _pseudonyms(pseudonyms, hold.tenant, Scope(hold.scope, name))
        holds.set_match_values(connection, hold.id, found)


def _new(region: OpenRegion, spec: HoldSpec) -> NewHold:
    now = region.clock.now()
    hold, sealed = region.new_uuid(now), None
    if spec.future and spec.scope.kind in _NAMED:
        sealed = seal_name(region.roots, region.entropy, spec.scope.value, _context(hold))
    return NewHold(
        id=hold,
        tenant=spec.tenant,
        scope=spec.scope.kind,
        match_values=_match_values(region, spec),
        sealed_name=sealed,
        classes=spec.classes,
        minted_from=spec.minted_from,
        minted_to=spec.minted_to,
        cutoff=None if spec.future else cutoff(now, 2 * region.clock.error),
        matter=spec.matter,
        authority=spec.authority,
        issuer=spec.issuer,
        placed=now,
        review=spec.review,
    )


def _match_values(region: OpenRegion, spec: HoldSpec) -> tuple[bytes, ...]:
    """Return the values by which the catalog finds the scope."""
    match spec.scope.kind:
        case ScopeKind.RECORD:
            return (RecordId.parse(spec.scope.value).unique,)
        case ScopeKind.TENANT:
            return ()
        case ScopeKind.ACCOUNT:
            raise InvalidRequest("A hold is on one tenant.", advice="Place one on each of them.")
        case ScopeKind.SUBJECT | ScopeKind.GROUP:
            return _pseudonyms(region.pseudonyms, spec.tenant, spec.scope)


def _pseudonyms(pseudonyms: Pseudonyms, tenant: str, scope: Scope) -> tuple[bytes, ...]:
    kind: Kind = "subject" if scope.kind is ScopeKind.SUBJECT else "group"
    return tuple(pseudonyms.all(tenant, kind, scope.value))


def _context(hold: UUID) -> bytes:
    return b"domicile hold " + hold.bytes
