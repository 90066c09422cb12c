"""Short calls for tests of legal holds."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import select

from storage.catalog import roster
from storage.catalog import tables as t
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.model import (
    Actor,
    ActorKind,
    CarveOut,
    DataClass,
    GrantSpec,
    Hold,
    HoldChange,
    HoldSpec,
    PlacedHold,
    Purpose,
    RecordId,
    Scope,
)
from storage.region import OpenRegion
from storage.settings import Settings
from storage.testing import Domicile
from storage.testing.people import grant
from tests.support.catalogs.databases import HOME, opened
from tests.support.inspect.stored import OF_THE_REGION, home, homes_of
from tests.support.people import acting, make_login, person

COUNSEL = Actor("counsel-1", ActorKind.EMPLOYEE, employer="operator", location="EU")

PEOPLE = "holder_ann", "holder_ben"
"""The two people who stand for holds, each with a login of that name."""

ORDER = hashlib.sha256(b"the order of a court").hexdigest()

SOON = {DataClass.PROMPT: 2, DataClass.COMPLETION: 2}  # what is written at noon expires at midnight


def hold_spec(
    scope: Scope, *, tenant: str | None = "acme-eu", future: bool = False, **more: object
) -> HoldSpec:
    """Return a hold on a tenant of Acme."""
    given: dict[str, object] = {
        "matter": "Doe v. Acme",
        "authority": "court",
        "authority_jurisdiction": "EU",
        "document": ORDER,
        "issuer": "counsel",
        "review": date(2027, 1, 15),
        "future": future,
    }
    return HoldSpec(tenant, scope, **(given | more))  # type: ignore[arg-type]


def place_hold(
    domicile: Domicile, scope: Scope | None = None, *, future: bool = False, **more: object
) -> PlacedHold:
    """Place a hold on the subject ``u``, or on ``scope``. Nobody has confirmed it."""
    found = hold_spec(scope or Scope.subject("u"), future=future, **more)  # type: ignore[arg-type]
    return domicile.store.admin.holds.place(found)


def place_wide(domicile: Domicile, scope: Scope | None = None, **more: object) -> PlacedHold:
    """Place a hold on everything in the region of Acme, or on an account; now and later."""
    found = {"tenant": None, "region": HOME, "future": True} | more
    return place_hold(domicile, scope or Scope.region(), **found)  # type: ignore[arg-type]


def meet(settings: Settings, region: OpenRegion) -> None:
    """Enter the two people in the roster of a region, if they are not in it."""
    url = settings.regions[region.name].catalog_url.get_secret_value()
    with opened(region.name, url.split("&options=")[0]) as connection:
        if roster.entry(connection, PEOPLE[0]) is None:
            for login in PEOPLE:
                make_login(connection, login)
                roster.enter(connection, person(login), region.clock.now())


@contextmanager
def one_of_two(settings: Settings, store: Store, number: int, region: str = HOME) -> Iterator[None]:
    """Let an open store act as one of the two people."""
    opened_region = homes_of(store).served(region).region
    meet(settings, opened_region)
    with acting(opened_region, PEOPLE[number]):
        yield


def confirm_by_two(settings: Settings, store: Store, hold: UUID, region: str = HOME) -> Hold:
    """Have the two people confirm a hold that a process placed. Once more changes nothing."""
    for number in range(2):
        known = store.admin.holds.show(hold)
        if known.confirmed is None and known.sponsor != PEOPLE[number]:
            with one_of_two(settings, store, number, region):
                store.admin.holds.confirm(hold)
    return store.admin.holds.show(hold)


def request_release(settings: Settings, store: Store, hold: UUID, region: str = HOME) -> UUID:
    """Request a release as the first of the two; return the change."""
    with one_of_two(settings, store, 0, region):
        return store.admin.holds.release(hold, why="settled").id


def approve_by_second(settings: Settings, store: Store, change: UUID, region: str = HOME) -> None:
    """Approve what the first of the two requested."""
    with one_of_two(settings, store, 1, region):
        store.admin.holds.approve(change)


def confirm(domicile: Domicile, placed: PlacedHold) -> Hold:
    """Have the two people confirm a hold that a process placed."""
    return confirm_by_two(domicile.settings, domicile.store, placed.hold.id, placed.hold.region)


def approve(domicile: Domicile, change: HoldChange, region: str = HOME) -> HoldChange:
    """Approve what the first of the two requested."""
    with one_of_two(domicile.settings, domicile.store, 1, region):
        return domicile.store.admin.holds.approve(change.id)


def release_holds(domicile: Domicile, *placed: PlacedHold) -> None:
    """Release holds: one person requests it, the other approves."""
    for one in placed:
        where = domicile.settings, domicile.store
        change = request_release(*where, one.hold.id, one.hold.region)
        approve_by_second(*where, change, one.hold.region)


def narrow_by_two(settings: Settings, store: Store, hold: UUID, *parts: CarveOut) -> HoldChange:
    """Narrow a hold: one person requests it, the other approves."""
    region = store.admin.holds.show(hold).region
    with one_of_two(settings, store, 0, region):
        change = store.admin.holds.narrow(hold, *parts, why="ordered less")
    with one_of_two(settings, store, 1, region):
        return store.admin.holds.approve(change.id)


def narrow(domicile: Domicile, placed: PlacedHold, *parts: CarveOut) -> HoldChange:
    """Narrow a hold."""
    return narrow_by_two(domicile.settings, domicile.store, placed.hold.id, *parts)


def held_grant(hold: Hold, tenant: str | None = None) -> GrantSpec:
    """Return the grant that counsel needs to read what a hold keeps, of one tenant."""
    return GrantSpec(
        tenant or hold.tenant or "",
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
    store: Store, settings: Settings, number: UUID, tenant: str | None = None
) -> BoundTenant:
    """Return the tenant of a hold for counsel, with a new grant to read what it keeps.

    If nobody has confirmed the hold, two people do first.
    """
    hold = store.admin.holds.show(number)
    region = homes_of(store).regions[hold.region].region
    if hold.confirmed is None:
        confirm_by_two(settings, store, number, hold.region)
    spec = held_grant(hold, tenant)
    granted = grant(region, settings.regions[hold.region], spec)
    counsel = replace(COUNSEL, location=region.region.jurisdiction)
    return store.tenant(spec.tenant).bind(counsel, grant=granted.id)


def open_held(
    domicile: Domicile, placed: PlacedHold, record_id: RecordId, tenant: str | None = None
) -> bytes:
    """Return the body, read for the purpose ``legal``, once two people have confirmed the hold."""
    store, settings = domicile.store, domicile.settings
    with held_tenant(store, settings, placed.hold.id, tenant=tenant).open(
        record_id, purpose=Purpose.LEGAL
    ) as file:
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
