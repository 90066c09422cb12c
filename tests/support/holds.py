"""Short calls for tests of legal holds."""

from datetime import date
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.model import (
    Actor,
    ActorKind,
    DataClass,
    GrantSpec,
    Hold,
    HoldSpec,
    PlacedHold,
    Purpose,
    RecordId,
    Scope,
)
from storage.settings import Settings
from storage.testing import Domicile
from storage.testing.people import grant
from tests.support.inspect.stored import OF_THE_REGION, home, homes_of

COUNSEL = Actor("counsel-1", ActorKind.EMPLOYEE, employer="operator", location="EU")

SOON = {DataClass.PROMPT: 2, DataClass.COMPLETION: 2}  # what is written at noon expires at midnight


def hold_spec(
    scope: Scope, *, tenant: str = "acme-eu", future: bool = False, **more: object
) -> HoldSpec:
    """Return a hold on a tenant of Acme."""
    return HoldSpec(
        tenant,
        scope,
        matter="Doe v. Acme",
        authority="court",
        issuer="counsel",
        review=date(2027, 1, 15),
        future=future,
        **more,  # type: ignore[arg-type]
    )


def place_hold(
    domicile: Domicile, scope: Scope | None = None, *, future: bool = False, **more: object
) -> PlacedHold:
    """Place a hold on the subject ``u``, or on ``scope``."""
    found = hold_spec(scope or Scope.subject("u"), future=future, **more)  # type: ignore[arg-type]
    return domicile.store.admin.holds.place(found)


def release_holds(domicile: Domicile, *holds: PlacedHold) -> None:
    """Release the holds."""
    for placed in holds:
        domicile.store.admin.holds.release(placed.hold.id, why="settled")


def held_grant(hold: Hold) -> GrantSpec:
    """Return the grant that counsel needs to read what a hold keeps."""
    return GrantSpec(
        hold.tenant,
        Purpose.LEGAL,
        COUNSEL.id,
        scope=None,
        justification="as ordered",
        records_max=1000,
        hours=24,
        case="matter-1",
        hold=hold.id,
    )


def held_tenant(
    store: Store, settings: Settings, number: UUID, actor: Actor = COUNSEL
) -> BoundTenant:
    """Return the tenant of a hold for counsel, with a new grant to read what it keeps."""
    hold = store.admin.holds.show(number)
    region = homes_of(store).regions[hold.region].region
    granted = grant(region, settings.regions[hold.region], held_grant(hold))
    return store.tenant(hold.tenant).bind(actor, grant=granted.id)


def open_held(domicile: Domicile, placed: PlacedHold, record_id: RecordId) -> bytes:
    """Return the body, read for the purpose ``legal``."""
    tenant = held_tenant(domicile.store, domicile.settings, placed.hold.id)
    with tenant.open(record_id, purpose=Purpose.LEGAL) as file:
        return b"".join(file.chunks())


def held_records(domicile: Domicile, placed: PlacedHold) -> set[RecordId]:
    """Return the records that a hold keeps."""
    return {info.id for info in domicile.store.admin.holds.records(placed.hold.id)}


def relocated(domicile: Domicile) -> set[bytes]:
    """Return the unique parts of records that were relocated out of their day."""
    with home(domicile).catalog.begin() as connection:
        return set(connection.scalars(select(t.held.c.uid)))


def stored_keys(domicile: Domicile) -> set[str]:
    """Return all keys on backends but those of ledger and log, which outlive their subjects."""
    traces = (trace for backend in domicile.backends.values() for trace in backend.scan())
    return {trace.key for trace in traces if not trace.key.startswith(OF_THE_REGION)}
