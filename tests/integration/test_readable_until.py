"""A record that says until when it can be read cannot be read from that moment on, anywhere."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from storage import (
    AsyncStore,
    BoundTenant,
    DataClass,
    Expired,
    IdConflict,
    InvalidRequest,
    NaiveDatetime,
    NewRecord,
    Origin,
    Purpose,
    PutFailure,
    PutResult,
    RecordId,
)
from storage.testing import SERVICE, Domicile

PROMPT, FILE, EVENT = DataClass.PROMPT, DataClass.FINE_TUNING_FILE, DataClass.EVENT
SERVE = Purpose.SERVE
SHORTLY = timedelta(milliseconds=500)  # of which each look at the clock takes one


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant with nothing."""
    return domicile.tenant()


def midnight_after(moment: datetime) -> datetime:
    """Return the beginning of the next UTC day."""
    return datetime.combine(moment.date() + timedelta(days=1), datetime.min.time(), UTC)


def set_clock(domicile: Domicile, moment: datetime) -> None:
    """Let it be that moment."""
    domicile.clock.jump(moment - domicile.clock.now())


@pytest.fixture(params=["prompt", "file", "large", "many"])
def ends(request: pytest.FixtureRequest, domicile: Domicile, tenant: BoundTenant) -> RecordId:
    """A record that can be read for an hour and a half, written in one of the ways."""
    until = domicile.clock.now() + timedelta(minutes=90)
    body = b"x" * 400_000
    if request.param == "prompt":
        return tenant.put(PROMPT, b"x", subject="ann", readable_until=until).id
    if request.param == "large":
        return tenant.put(PROMPT, body, subject="ann", readable_until=until).id
    if request.param == "file":
        return tenant.put_file([body], subject="ann", readable_until=until).id
    records = [NewRecord(PROMPT, b"x", subject="ann", readable_until=until) for _ in range(50)]
    *_, last = tenant.put_many(records)
    assert isinstance(last, PutResult)
    return last.id


def test_it_is_read_until_then_and_not_after(
    domicile: Domicile, tenant: BoundTenant, ends: RecordId
) -> None:
    """By id, in lists, in counts, by range of an open file."""
    until = tenant.head(ends).readable_until
    assert until is not None
    assert until < ends.minted + timedelta(minutes=90)  # its last day is over later
    file = tenant.open(ends, purpose=SERVE)
    set_clock(domicile, until - SHORTLY)
    assert tenant.get(ends, purpose=SERVE).id == ends
    assert [info.id for info in tenant.list(newest_first=True, limit=1)] == [ends]
    assert tenant.explain(ends).readable_until == until
    counted = tenant.count(subject="ann").number

    set_clock(domicile, until)

    for read in (
        lambda: tenant.get(ends, purpose=SERVE),
        lambda: tenant.open(ends, purpose=SERVE),
        lambda: file.read_range(0, 1),
        lambda: tenant.head(ends),
        lambda: tenant.hand_over(ends, "klarblick"),
    ):
        with pytest.raises(Expired):
            read()
    assert not tenant.exists(ends)
    assert ends not in [info.id for info in tenant.list(subject="ann")]
    assert tenant.count(subject="ann").number < counted


def test_its_bytes_are_gone_by_the_deadline(
    domicile: Domicile, tenant: BoundTenant, ends: RecordId
) -> None:
    """That of the day with which the moment ends: a day and the purge bound at most."""
    until, deadline = tenant.head(ends).readable_until, tenant.head(ends).deadline
    assert until is not None
    assert deadline is not None
    assert deadline <= until + timedelta(days=3)

    set_clock(domicile, deadline - timedelta(hours=1))
    for _ in range(6):
        domicile.run_worker()

    for backend in domicile.backends.values():
        assert not any(str(ends.day) in item.key for item in backend.scan())


@pytest.mark.parametrize("seconds", [1, 3600, 86_400, 5 * 86_400, 30 * 86_400])
def test_a_file_is_kept_for_as_few_days_as_that_needs(
    domicile: Domicile, tenant: BoundTenant, seconds: int
) -> None:
    """From a second to OpenAI's thirty days; a file has no other end."""
    until = domicile.clock.now() + timedelta(seconds=seconds)
    put = tenant.put_file([b"x"], readable_until=until)

    assert put.id.day is not None
    assert tenant.head(put.id).readable_until == until
    end = datetime.combine(put.id.day, datetime.min.time(), UTC)
    assert until <= end < until + timedelta(days=2)


def test_at_midnight_the_day_is_enough(domicile: Domicile, tenant: BoundTenant) -> None:
    """A moment that is the end of a day needs no further day."""
    until = midnight_after(domicile.clock.now() + timedelta(days=4))
    put = tenant.put_file([b"x"], readable_until=until)

    assert put.id.day == until.date()


def test_a_retry_gives_the_same(domicile: Domicile, tenant: BoundTenant) -> None:
    """The first end stands: a client computes another one from its own clock."""
    until = domicile.clock.now() + timedelta(hours=3)
    key = tenant.new_id(PROMPT, key="k", readable_until=until)
    tenant.put(PROMPT, b"x", id=key, readable_until=until)
    again = tenant.put(PROMPT, b"x", id=key, readable_until=until - timedelta(seconds=5))

    assert again.id == key
    assert tenant.head(key).readable_until == until


def test_a_retry_without_an_end_is_another_write(domicile: Domicile, tenant: BoundTenant) -> None:
    """Nobody is told that reading ends, and it does not."""
    until = domicile.clock.now() + timedelta(hours=3)
    key = tenant.new_id(PROMPT, key="k")
    tenant.put(PROMPT, b"x", id=key)
    with pytest.raises(IdConflict):
        tenant.put(PROMPT, b"x", id=key, readable_until=until)
    ends = tenant.put(PROMPT, b"x", readable_until=until).id
    with pytest.raises(IdConflict):
        tenant.put(PROMPT, b"x", id=ends)


def test_under_zero_retention_nothing_is_stored(domicile: Domicile, tenant: BoundTenant) -> None:
    """As without an end."""
    until = domicile.clock.now() + timedelta(hours=3)
    spec = domicile.store.admin.tenants.get("acme-eu")
    domicile.store.admin.tenants.ensure(replace(spec, retention={PROMPT: 0, FILE: 0}))
    fresh = domicile.store.tenant("acme-eu")

    assert not fresh.put(PROMPT, b"x", readable_until=until).stored
    assert not fresh.put_file([b"x"], readable_until=until).stored


def test_an_explanation_of_today_knows_the_moment(
    domicile: Domicile, tenant: BoundTenant, ends: RecordId
) -> None:
    """What it allows, ``get`` allows."""
    assert tenant.explain_purpose(ends, purpose=SERVE).allowed
    domicile.clock.advance(timedelta(hours=2))
    found = tenant.explain_purpose(ends, purpose=SERVE)
    assert (found.allowed, found.reasons) == (False, ("expired",))


def test_older_code_takes_it_for_erased(domicile: Domicile, tenant: BoundTenant) -> None:
    """It asks a function of its own, and its clock is that of the catalog."""
    until = domicile.clock.now() + timedelta(hours=1)  # long ago, by the catalog's clock
    ended = tenant.put(PROMPT, b"x", readable_until=until).id
    kept = tenant.put(PROMPT, b"x").id
    query = text("SELECT fenced FROM readable_record('acme-eu', :uid, :day)")
    with domicile.homes.served("eu-central-1").region.catalog.begin() as connection:
        fenced = [connection.scalar(query, {"uid": i.unique, "day": i.day}) for i in (ended, kept)]
    assert fenced == [True, False]


def test_a_retention_that_is_shorter_ends_it_earlier(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """What the tenant sets applies to all."""
    until = domicile.clock.now() + timedelta(days=9)
    put = tenant.put(PROMPT, b"x", readable_until=until)
    spec = domicile.store.admin.tenants.get("acme-eu")
    domicile.store.admin.tenants.ensure(replace(spec, retention={PROMPT: 5}))

    found = tenant.head(put.id).readable_until
    assert found is not None
    assert found < until


def test_what_cannot_be_is_refused(domicile: Domicile, tenant: BoundTenant) -> None:
    """Before anything is stored."""
    now = domicile.clock.now()
    later = now + timedelta(days=3)
    kept = tenant.new_id(FILE)
    short = tenant.new_id(PROMPT, keep_days=2)
    refused: dict[str, Callable[[], object]] = {
        "never": lambda: tenant.put(PROMPT, b"x", readable_until=datetime.max.replace(tzinfo=UTC)),
        "over": lambda: tenant.put(PROMPT, b"x", readable_until=now),
        "a moment": lambda: tenant.put(PROMPT, b"x", readable_until=later.date()),  # type: ignore[arg-type]
        "too long": lambda: tenant.put(PROMPT, b"x", readable_until=now + timedelta(days=30)),
        "an event": lambda: tenant.put(EVENT, b"", readable_until=now + timedelta(days=200)),
        "kept": lambda: tenant.put_file([b"x"], id=kept, readable_until=later),
        "its day": lambda: tenant.put(PROMPT, b"x", id=short, readable_until=later),
        "days": lambda: tenant.put(PROMPT, b"x", keep_days=2, readable_until=later),
    }
    for what, put in refused.items():
        with pytest.raises(InvalidRequest):
            pytest.fail(f"{what}: {put()}")
    with pytest.raises(NaiveDatetime):
        tenant.put(PROMPT, b"x", readable_until=later.replace(tzinfo=None))
    (failed,) = tenant.put_many([NewRecord(PROMPT, b"x", readable_until=now)])
    assert isinstance(failed, PutFailure)
    assert tenant.list() == tenant.list(after=kept)


def test_data_from_before_domicile_may_have_it(domicile: Domicile, tenant: BoundTenant) -> None:
    """Its days count from its origin."""
    now = domicile.clock.now()
    origin = Origin((now - timedelta(days=10)).date(), bytes(32))
    put = tenant.put(PROMPT, b"x", origin=origin, readable_until=now + timedelta(hours=30))

    assert tenant.head(put.id).readable_until == now + timedelta(hours=30)


def test_asyncio_ends_it_too(
    domicile: Domicile, domicile_async_store: AsyncStore, tenant: BoundTenant
) -> None:
    """As does a capture."""
    until = domicile.clock.now() + timedelta(hours=2)

    async def write() -> list[RecordId]:
        t = (await domicile_async_store.tenant(tenant.id)).bind(SERVICE)
        first = await t.put(PROMPT, b"x", readable_until=until)
        file = await t.put_file([b"x"], readable_until=until)
        async with t.capture(PROMPT, readable_until=until) as capture:
            await capture.write(b"part")
        return [first.id, file.id, capture.id]

    ids = asyncio.run(write())
    assert [tenant.head(i).readable_until for i in ids] == [until] * 3
