"""Metadata that its tenant replaces: compare and set, sealed, and what stays as it was."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage import (
    ActorKind,
    AsyncStore,
    BoundTenant,
    Corrupt,
    DataClass,
    Erased,
    Expired,
    IdConflict,
    InvalidRequest,
    MetadataConflict,
    MetadataTooLarge,
    NotFound,
    Purpose,
    PurposeRefused,
    Reason,
    RecordId,
    Refused,
    Scope,
)
from storage.catalog import metadata as stored_metadata
from storage.testing import SERVICE, Domicile
from tests.support.holds import place_hold, place_wide, release_holds

PROMPT, SERVE = DataClass.PROMPT, Purpose.SERVE


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant with nothing."""
    return domicile.tenant()


@pytest.fixture(params=["prompt", "file"])
def known(request: pytest.FixtureRequest, tenant: BoundTenant) -> RecordId:
    """A record with metadata."""
    if request.param == "prompt":
        return tenant.put(PROMPT, b"x", subject="u", metadata={"model": "m"}).id
    return tenant.put_file([b"x"], subject="u", metadata={"model": "m"}).id


def test_metadata_is_replaced_and_replaced_again(tenant: BoundTenant, known: RecordId) -> None:
    """As a whole, also by nothing; body and id stay."""
    later: list[dict[str, object]] = [{"a": 1}, {"b": ["c"]}, {}, {"a": 1}]
    for version, metadata in enumerate(later):
        assert tenant.head(known).metadata_version == version
        assert tenant.update_metadata(known, metadata, version=version) == version + 1
        found = tenant.get(known, purpose=SERVE)
        assert (found.body, found.metadata) == (b"x", metadata)
        assert found.info.metadata_version == version + 1
    assert tenant.list()[0].metadata_version == 4


def test_only_one_of_two_replaces_the_same(tenant: BoundTenant, known: RecordId) -> None:
    """Who comes second is told, and changes nothing."""
    tenant.update_metadata(known, {"by": "first"}, version=0)

    for version in (0, 2, 7):
        with pytest.raises(MetadataConflict, match="has the version 1"):
            tenant.update_metadata(known, {"by": "second"}, version=version)
    assert tenant.get(known, purpose=SERVE).metadata == {"by": "first"}


def test_the_same_call_again_changes_nothing(tenant: BoundTenant, known: RecordId) -> None:
    """Its answer may have been lost."""
    assert tenant.update_metadata(known, {"a": 1}, version=0) == 1
    assert tenant.update_metadata(known, {"a": 1}, version=0) == 1
    assert tenant.head(known).metadata_version == 1


def test_what_python_takes_for_the_same_is_not(tenant: BoundTenant, known: RecordId) -> None:
    """True is another value than 1."""
    tenant.update_metadata(known, {"rated": True}, version=0)
    with pytest.raises(MetadataConflict):
        tenant.update_metadata(known, {"rated": 1}, version=0)


def test_of_many_at_once_each_version_is_one_call(tenant: BoundTenant, known: RecordId) -> None:
    """No update is lost: as many versions as calls that returned one."""
    made, lock = list[int](), threading.Lock()

    def add(n: int) -> None:
        for _ in range(40):
            version = tenant.head(known).metadata_version
            try:
                new = tenant.update_metadata(known, {"by": n, "after": version}, version=version)
            except MetadataConflict:
                continue
            with lock:
                made.append(new)
            return

    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1, 9))


def test_a_retried_put_is_compared_with_the_original(tenant: BoundTenant) -> None:
    """The client that repeats it does not know of the update."""
    first = tenant.put(PROMPT, b"x", metadata={"a": 1})
    tenant.update_metadata(first.id, {"a": 2}, version=0)

    assert tenant.put(PROMPT, b"x", id=first.id, metadata={"a": 1}) == first
    with pytest.raises(IdConflict):
        tenant.put(PROMPT, b"x", id=first.id, metadata={"a": 2})
    assert tenant.get(first.id, purpose=SERVE).metadata == {"a": 2}


def test_what_is_gone_has_no_metadata_to_replace(
    domicile: Domicile, tenant: BoundTenant, known: RecordId
) -> None:
    """Erased, expired, of another tenant, of nobody."""
    other = domicile.tenant("other")
    with pytest.raises(NotFound):
        other.update_metadata(known, {}, version=0)
    with pytest.raises(NotFound):
        tenant.update_metadata(replace(known, unique=bytes(16)), {}, version=0)
    brief = tenant.put(PROMPT, b"x")
    tenant.erase(Scope.record(known), reason=Reason.CUSTOMER_REQUEST)
    with pytest.raises(Erased):
        tenant.update_metadata(known, {}, version=0)
    domicile.clock.advance(timedelta(days=31))
    with pytest.raises(Expired):
        tenant.update_metadata(brief.id, {}, version=0)


def test_an_erasure_in_the_middle_wins(
    domicile: Domicile, tenant: BoundTenant, known: RecordId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided before it is decided again with the row."""
    run = domicile.homes.served("eu-central-1").region.catalog.run

    def erase_first(work: object) -> object:
        monkeypatch.undo()
        tenant.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
        return run(work)  # type: ignore[arg-type]

    monkeypatch.setattr(domicile.homes.served("eu-central-1").region.catalog, "run", erase_first)
    with pytest.raises(Erased):
        tenant.update_metadata(known, {"late": True}, version=0)


def test_a_hold_keeps_metadata_as_it_is(
    domicile: Domicile, tenant: BoundTenant, known: RecordId
) -> None:
    """It may be what the case is about."""
    placed = place_hold(domicile)
    with pytest.raises(Refused) as caught:
        tenant.update_metadata(known, {}, version=0)
    assert "hold" not in str(caught.value)  # its owner is not told
    release_holds(domicile, placed)
    assert tenant.update_metadata(known, {}, version=0) == 1


def test_a_hold_that_is_placed_meanwhile_waits(
    domicile: Domicile, tenant: BoundTenant, known: RecordId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it keeps is then what it finds: no update falls behind it."""
    placing, placed = list[threading.Thread](), threading.Event()
    replace_ = stored_metadata.replace

    def place_first(*given: object) -> None:
        def place() -> None:
            place_wide(domicile)
            placed.set()

        placing.append(threading.Thread(target=place))
        placing[0].start()
        while not placed.is_set() and not faults.lock_waiters():
            placed.wait(0.01)
        assert not placed.is_set()
        replace_(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stored_metadata, "replace", place_first)
    with domicile.catalog_faults() as faults:
        assert tenant.update_metadata(known, {"before": True}, version=0) == 1
        placing[0].join(30)
    assert placed.is_set()
    monkeypatch.undo()
    with pytest.raises(Refused):
        tenant.update_metadata(known, {}, version=1)


def test_an_event_stays_as_it_was_logged(tenant: BoundTenant) -> None:
    """A law wants it kept."""
    event = tenant.put(DataClass.EVENT, b"", metadata={"a": 1})
    with pytest.raises(InvalidRequest, match="logged"):
        tenant.update_metadata(event.id, {}, version=0)


def test_a_person_replaces_nothing(tenant: BoundTenant, known: RecordId) -> None:
    """Nor does a machine: metadata is the customer's."""
    for kind in (ActorKind.EMPLOYEE, ActorKind.MACHINE):
        bound = tenant.bind(replace(SERVICE, kind=kind))
        with pytest.raises(PurposeRefused):
            bound.update_metadata(known, {}, version=0)


@pytest.mark.parametrize("version", [-1, None, True, "0", 2**31])
def test_a_version_is_a_number(tenant: BoundTenant, known: RecordId, version: object) -> None:
    """From 0 on."""
    with pytest.raises(InvalidRequest):
        tenant.update_metadata(known, {}, version=version)  # type: ignore[arg-type]


def test_metadata_has_the_same_limits(tenant: BoundTenant, known: RecordId) -> None:
    """As for a put."""
    with pytest.raises(MetadataTooLarge):
        tenant.update_metadata(known, {"k": "x" * 5000}, version=0)
    with pytest.raises(InvalidRequest):
        tenant.update_metadata(known, {"k": float("nan")}, version=0)


def test_an_older_version_does_not_pass_for_a_newer_one(
    domicile: Domicile, tenant: BoundTenant, known: RecordId
) -> None:
    """Who can write into the catalog cannot put back what was replaced."""
    table = "file" if known.day is None else "record"
    catalog = domicile.homes.served("eu-central-1").region.catalog
    tenant.update_metadata(known, {"a": 1}, version=0)
    with catalog.begin() as connection:
        old = connection.scalar(text(f"SELECT sealed_metadata FROM {table}"))  # noqa: S608
    tenant.update_metadata(known, {"a": 2}, version=1)
    for change in (
        "sealed_metadata = :old",
        "sealed_metadata = :old, metadata_version = 1",
        "sealed_metadata = NULL, metadata_version = 3",
        "metadata_version = 0",
    ):
        with pytest.raises(IntegrityError), catalog.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {change}"), {"old": old})  # noqa: S608
    with catalog.begin() as connection:
        query = f"UPDATE {table} SET sealed_metadata = :old, metadata_version = 3"  # noqa: S608
        connection.execute(text(query), {"old": old})

    with pytest.raises(Corrupt):
        tenant.get(known, purpose=SERVE)


def test_no_login_changes_an_event(domicile: Domicile, tenant: BoundTenant) -> None:
    """Not by raw SQL either: its metadata is all that it has."""
    tenant.put(DataClass.EVENT, b"", metadata={"a": 1})
    catalog = domicile.homes.served("eu-central-1").region.catalog
    query = "UPDATE record SET sealed_metadata = '', metadata_version = 1"
    with pytest.raises(IntegrityError), catalog.begin() as connection:
        connection.execute(text(query))


def test_asyncio_replaces_it_too(domicile_async_store: AsyncStore, tenant: BoundTenant) -> None:
    """And a list shows what is listed of the new ones."""
    put = tenant.put_file([b"x"], filename="old")

    async def rename() -> int:
        t = (await domicile_async_store.tenant(tenant.id)).bind(SERVICE)
        return await t.update_metadata(put.id, {"filename": "new"}, version=0)

    assert asyncio.run(rename()) == 1
    assert tenant.list(purpose=SERVE)[0].listed == {"filename": "new"}
