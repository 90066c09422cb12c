"""Events: metadata that a law wants kept. Erasures leave it and say so; it ends all the same."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import (
    BodyTooLarge,
    Erased,
    Expired,
    InvalidRequest,
    NotFound,
    PurposeRefused,
    StaleId,
    TenantNotEmpty,
)
from storage.evidence.receipts import verify
from storage.model import (
    DataClass,
    ErasureState,
    Kept,
    NewRecord,
    Origin,
    Purpose,
    PutFailure,
    Reason,
    RecordId,
    Scope,
)
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, is_complete, put_prompt, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.inspect.stored import home
from tests.support.retention import keep

pytestmark = pytest.mark.one_region

EVENT = DataClass.EVENT


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    return domicile.tenant()


def log_event(tenant: BoundTenant, subject: str = "u") -> RecordId:
    """Put an event about ``subject``; return its id."""
    return tenant.put(EVENT, b"", subject=subject, metadata={"did": "answered"}).id


def read(tenant: BoundTenant, record_id: RecordId) -> object:
    """Return the metadata of an event."""
    return tenant.get(record_id, purpose=Purpose.SERVE).metadata


def test_an_event_has_metadata_and_no_content(domicile: Domicile, tenant: BoundTenant) -> None:
    """By every way to write; what is refused leaves nothing behind."""
    event = log_event(tenant)
    assert read(tenant, event) == {"did": "answered"}

    with pytest.raises(BodyTooLarge, match="metadata alone"):
        tenant.put(EVENT, b"words")
    (failed,) = tenant.put_many([NewRecord(EVENT, b"words")])
    assert isinstance(failed, PutFailure)
    with pytest.raises(BodyTooLarge), tenant.capture(EVENT) as captured:
        captured.write(b"words")
    stored = [info.id for info in tenant.list()]
    assert event in stored
    assert all(info.size == 0 for info in tenant.list())
    with pytest.raises(PurposeRefused):
        tenant.get(event, purpose=Purpose.TRAIN)


def test_a_subjects_erasure_says_what_it_left_and_why(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """At once, when it is complete, and in its receipt. What it left can be read."""
    prompt, event = put_prompt(domicile, "u"), log_event(tenant)
    other = log_event(tenant, "v")

    erasure = erase(tenant)

    left = (Kept(EVENT, 1, event.day, "floor"),)
    assert erasure.kept == left
    with pytest.raises(Erased):
        tenant.get(prompt, purpose=Purpose.SERVE)
    for _ in range(3):
        work(domicile, hours=49)
    done = domicile.store.erasure(erasure.id)
    assert (done.state, done.deleted, done.kept) == (ErasureState.COMPLETE, 1, left)
    assert done.receipt is not None
    receipt = verify(done.receipt, home(domicile).signing.public_key())
    assert [(one.data_class, one.records, one.reason) for one in receipt.kept] == [
        ("event", 1, "floor")
    ]
    assert read(tenant, event) == read(tenant, other) == {"did": "answered"}
    assert [info.id for info in tenant.list(subject="u")] == [event]


def _of(day: date) -> Origin:
    return Origin(day, bytes(32))


@pytest.mark.parametrize("origin_age", [None, 100])
def test_no_id_ends_an_event_before_its_floor_is_over(
    domicile: Domicile, tenant: BoundTenant, origin_age: int | None
) -> None:
    """The day of an older origin is refused with a later one, and without one in an id made up."""
    today = domicile.clock.now().date()
    old = tenant.new_id(EVENT, origin_date=today - timedelta(days=180))
    origin = None if origin_age is None else _of(today - timedelta(days=origin_age))
    record_id = old if origin is not None else replace(old, unique=bytes(16))

    with pytest.raises(StaleId, match="floor of 184 days"):
        tenant.put(EVENT, b"", id=record_id, origin=origin)

    assert list(tenant.list()) == []
    taken = tenant.put(EVENT, b"", id=old, origin=_of(today - timedelta(days=180)))
    assert taken.id == old


@pytest.mark.parametrize("kind", ["record", "group", "tenant"])
def test_its_tenant_cannot_erase_it_before_its_floor_is_over(
    domicile: Domicile, tenant: BoundTenant, kind: str
) -> None:
    """By no scope. Half a year later it can, and the erasure leaves nothing."""
    event = tenant.put(EVENT, b"", group="g", metadata={"did": "answered"}).id
    scope = {"record": Scope.record(event), "group": Scope.group("g"), "tenant": Scope.tenant()}

    assert erase(tenant, scope[kind]).kept == (Kept(EVENT, 1, event.day, "floor"),)
    for _ in range(2):
        work(domicile, hours=49)
    assert read(tenant, event) == {"did": "answered"}

    domicile.pass_time(days=180)
    assert read(tenant, event) == {"did": "answered"}
    later = erase(tenant, scope[kind])
    assert later.kept == ()
    with pytest.raises(Erased):
        read(tenant, event)
    for _ in range(3):
        work(domicile, hours=49)
    assert is_complete(domicile, later)


def test_it_ends_by_its_own_day(domicile: Domicile, tenant: BoundTenant) -> None:
    """Readable for the whole floor, and gone when its retention is over."""
    event = log_event(tenant)
    erase(tenant)
    domicile.pass_time(days=184)
    assert read(tenant, event) == {"did": "answered"}

    domicile.pass_time(days=2)

    with pytest.raises(Expired):
        read(tenant, event)
    for _ in range(4):
        work(domicile, hours=24)
    with pytest.raises(NotFound):
        read(tenant, event)


def test_no_retention_is_below_the_floor(domicile: Domicile, tenant: BoundTenant) -> None:
    """Neither a tenant's, zero included, nor that of a record. Above its ceiling neither."""
    for days in (0, 30, 185, 367):
        with pytest.raises(InvalidRequest):
            keep(domicile, tenant.id, event=days)
    for days in (30, 185, 187):
        with pytest.raises(InvalidRequest):
            tenant.new_id(EVENT, keep_days=days)
    keep(domicile, tenant.id, event=200)
    assert tenant.put(EVENT, b"", keep_days=190).stored


def test_a_late_event_of_an_erased_subject_is_stored(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Its id is from before the erasure: the log would have a gap. A prompt is refused."""
    event, prompt = tenant.new_id(EVENT), tenant.new_id(DataClass.PROMPT)
    erase(tenant)

    tenant.put(EVENT, b"", id=event, subject="u", metadata={"did": "answered"})

    assert read(tenant, event) == {"did": "answered"}
    with pytest.raises(Erased):
        tenant.put(DataClass.PROMPT, b"late", id=prompt, subject="u")


def test_a_tenant_at_the_end_of_its_contract_leaves_its_events(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The erasure of its account says so, and it is removed when they are gone."""
    put_prompt(domicile, "u")
    event = log_event(tenant)
    done = domicile.store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
    assert [one.kept for one in done.erasures] == [(Kept(EVENT, 1, event.day, "floor"),)]
    for _ in range(3):
        work(domicile, hours=49)
    with pytest.raises(TenantNotEmpty, match="1 record"):
        domicile.store.admin.tenants.remove(tenant.id)

    domicile.pass_time(days=186)
    for _ in range(4):
        work(domicile, hours=24)

    domicile.store.admin.tenants.remove(tenant.id)


def test_a_restored_catalog_leaves_the_same(domicile: Domicile, tenant: BoundTenant) -> None:
    """The ledger says which events the erasure spared."""
    prompt, event = put_prompt(domicile, "u"), log_event(tenant)
    dump = Dump.of(domicile)
    domicile.pass_time(days=1)
    erasure = erase(tenant)
    dump.restore(domicile)
    recover_catalog(domicile)
    restored = domicile.store.tenant(tenant.id).bind(SERVICE)

    assert read(restored, event) == {"did": "answered"}
    with pytest.raises(Erased):
        restored.get(prompt, purpose=Purpose.SERVE)
    for _ in range(3):
        work(domicile, hours=49)
    assert domicile.store.erasure(erasure.id).kept == (Kept(EVENT, 1, event.day, "floor"),)
    assert timedelta() < domicile.clock.now() - erasure.requested
