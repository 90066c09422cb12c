"""Place legal holds."""

from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import hold_changes, holds, roster
from storage.crypto.envelope import seal_name
from storage.events import NewHold
from storage.ledger.fence import check_event, match_values
from storage.ledger.journal import commit_event
from storage.model import HoldSpec, PlacedHold, ScopeKind
from storage.policy import cutoff
from storage.region import OpenRegion


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

    def check(connection: Connection) -> None:
        if spec.tenant is not None:
            check_event(region, connection, spec.tenant)

    commit_event(region, new, check, then)
    if answer is not None:
        return answer
    with region.catalog.begin() as connection:  # a worker has applied it
        return _answer(region, connection, new.id)


def _answer(region: OpenRegion, connection: Connection, hold: UUID) -> PlacedHold:
    return PlacedHold(
        holds.show(connection, region.name, [hold])[0],
        holds.count(connection, hold),
        tuple(holds.days_placed_too_late_for(connection, hold)),
        tuple(holds.erasures_placed_too_late_for(connection, hold)),
    )


def _new(region: OpenRegion, spec: HoldSpec) -> NewHold:
    now = region.clock.now()
    hold, sealed = region.new_uuid(now), None
    if spec.future and spec.scope.kind in holds.NAMED:
        sealed = seal_name(region.roots, region.entropy, spec.scope.value, name_context(hold))
    with region.catalog.begin() as connection:
        person, login = roster.session(connection)
    return NewHold(
        id=hold,
        tenant=spec.tenant,
        account=spec.scope.value if spec.scope.kind is ScopeKind.ACCOUNT else None,
        scope=spec.scope.kind,
        match_values=() if spec.tenant is None else match_values(region, spec.tenant, spec.scope),
        sealed_name=sealed,
        classes=spec.classes,
        minted_from=spec.minted_from,
        minted_to=spec.minted_to,
        cutoff=None if spec.future else cutoff(now, 2 * region.clock.error),
        matter=spec.matter,
        authority=spec.authority,
        authority_jurisdiction=spec.authority_jurisdiction,
        document=spec.document,
        issuer=spec.issuer,
        placed=now,
        review=spec.review,
        sponsor=person,
        placed_login=login,
        exclude=tuple(map(hold_changes.stored, spec.exclude)),
    )


def name_context(hold: UUID) -> bytes:
    """Return what the sealed name of a hold is bound to."""
    return b"domicile hold " + hold.bytes
