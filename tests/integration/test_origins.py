"""Data from before Domicile: its retention counts from the day on which it came in."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO

import pytest

from regions.model import DataClass, Purpose
from storage import AsyncBoundTenant, AsyncStore
from storage.catalog import contents
from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.errors import Expired, IdConflict, InvalidRequest, OriginRefused, StaleId
from storage.model import NewRecord, Origin, PutFailure, PutResult
from storage.testing import Domicile
from tests.support.async_helpers import run_async
from tests.support.holds import place_hold
from tests.support.inspect.rows import all_state, ill_typed
from tests.support.inspect.stored import backends_with, ciphertexts, home

pytestmark = pytest.mark.one_region

PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE
DAY = timedelta(days=1)
TODAY = date(2026, 3, 1)
SOURCE = hashlib.sha256(b"the export of another system").digest()
TEN = Origin(TODAY - 10 * DAY, SOURCE)


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    assert domicile.clock.now().date() == TODAY
    return domicile.tenant()


def test_retention_counts_from_the_origin_date(domicile: Domicile, tenant: BoundTenant) -> None:
    """Ten of the thirty days are over: it is read for nineteen more, and gone after twenty."""
    put = tenant.put(PROMPT, b"older", origin=TEN, metadata={"from": "export"})
    (sealed,) = ciphertexts(domicile, put.id)

    assert put.deadline is not None
    assert put.deadline.date() == TEN.date + 30 * DAY
    assert put.id.minted.date() == TODAY
    assert [(one.id, one.origin) for one in tenant.list()] == [(put.id, TEN)]
    assert tenant.explain(put.id).origin == TEN
    domicile.pass_time(days=18)
    read = tenant.get(put.id, purpose=Purpose.SERVE)
    assert (read.body, read.info.origin) == (b"older", TEN)
    domicile.pass_time(days=1)
    with pytest.raises(Expired):
        tenant.get(put.id, purpose=Purpose.SERVE)
    for _ in range(2):
        domicile.run_worker()
        domicile.pass_time(hours=5)
    assert domicile.clock.now() < put.deadline
    assert backends_with(domicile, sealed) == set()


@pytest.mark.parametrize(
    ("age", "reason"),
    [(-1, "origin_ahead"), (30, "past_its_end"), (4000, "past_its_end"), (29, "never_readable")],
)
def test_what_is_past_its_end_is_refused_and_nothing_is_left_behind(
    domicile: Domicile, tenant: BoundTenant, age: int, reason: str
) -> None:
    """By each way in: an id, a put with and without one, many at once; a future date as well."""
    origin = Origin(TODAY - age * DAY, SOURCE)
    minted = tenant.new_id(PROMPT)
    before = all_state(domicile)
    ways: list[Callable[[], object]] = [
        lambda: tenant.new_id(PROMPT, origin_date=origin.date),
        lambda: tenant.put(PROMPT, b"older", origin=origin),
        lambda: tenant.put(PROMPT, b"older", origin=origin, id=minted),
    ]

    for way in ways:
        with pytest.raises(OriginRefused) as caught:
            way()
        assert caught.value.reasons == (reason,)
    (failure,) = tenant.put_many([NewRecord(PROMPT, b"older", origin=origin)])
    assert isinstance(failure, PutFailure)
    assert isinstance(failure.error, OriginRefused)
    assert all_state(domicile) == before


def test_a_file_has_an_origin_and_no_end(domicile: Domicile, tenant: BoundTenant) -> None:
    """However old it is. A date to come is refused before the stream is read."""
    old = Origin(date(2021, 1, 1), SOURCE)
    put = tenant.put_file(BytesIO(b"lines"), filename="tuning.jsonl", origin=old)
    stream, before = BytesIO(b"lines"), all_state(domicile)

    with pytest.raises(OriginRefused, match="in the future"):
        tenant.put_file(stream, origin=replace(old, date=TODAY + DAY))

    assert put.deadline is None
    assert tenant.explain(put.id).origin == old
    assert stream.tell() == 0
    assert all_state(domicile) == before


def test_an_id_belongs_to_one_origin(tenant: BoundTenant) -> None:
    """A repetition is answered alike. Another origin is another record, or a conflict."""
    minted = tenant.new_id(PROMPT, key="k", origin_date=TEN.date)
    first = tenant.put(PROMPT, b"older", id=minted, origin=TEN)

    assert tenant.put(PROMPT, b"older", id=minted, origin=TEN) == first
    assert tenant.new_id(PROMPT, key="k", origin_date=TEN.date).unique == minted.unique
    assert tenant.new_id(PROMPT, key="k", origin_date=TEN.date + DAY).unique != minted.unique
    for other in (replace(TEN, source=bytes(32)), replace(TEN, date=TEN.date + DAY)):
        with pytest.raises(IdConflict):
            tenant.put(PROMPT, b"older", id=minted, origin=other)
    with pytest.raises(StaleId, match="for a later origin date, or for none"):
        tenant.put(PROMPT, b"older", id=tenant.new_id(PROMPT), origin=TEN)

    file = tenant.new_id(FILE, key="f", origin_date=TEN.date)
    assert tenant.new_id(FILE, key="f").unique != file.unique
    tenant.put_file(BytesIO(b"lines"), id=file, origin=TEN)
    with pytest.raises(IdConflict):
        tenant.put_file(BytesIO(b"lines"), id=file, origin=replace(TEN, source=bytes(32)))


@pytest.mark.parametrize("data_class", [PROMPT, FILE])
def test_older_data_never_passes_for_new(
    domicile: Domicile, tenant: BoundTenant, data_class: DataClass
) -> None:
    """A write that forgets the origin is refused: consent, epoch and retention depend on it."""
    minted = tenant.new_id(data_class, origin_date=TEN.date)
    before = all_state(domicile)
    ways: list[Callable[[], object]] = [lambda: tenant.put(data_class, b"older", id=minted)]
    if data_class is FILE:
        ways = [lambda: tenant.put_file(BytesIO(b"lines"), id=minted)]

    for way in ways:
        with pytest.raises(StaleId, match="the write has no origin"):
            way()
    (failure,) = tenant.put_many([NewRecord(data_class, b"older", id=minted)])
    assert isinstance(failure, PutFailure)
    assert isinstance(failure.error, StaleId)
    assert all_state(domicile) == before


@pytest.mark.parametrize("count", [3, 40])
def test_many_are_taken_in_at_once(domicile: Domicile, tenant: BoundTenant, count: int) -> None:
    """Each with its own origin, or none; also where rows are copied rather than inserted."""
    origins = [Origin(TODAY - n % 20 * DAY, SOURCE) if n % 3 else None for n in range(count)]
    new = (NewRecord(PROMPT, b"%d" % n, origin=one) for n, one in enumerate(origins))

    results = [one for one in tenant.put_many(new) if isinstance(one, PutResult)]

    listed = {one.id: one.origin for one in tenant.list()}
    assert [listed[one.id] for one in results] == origins
    same = Origin(TODAY - DAY, SOURCE)
    copied = tenant.put_many(NewRecord(PROMPT, b"%d" % n, origin=same) for n in range(count))
    assert all(isinstance(one, PutResult) for one in copied)
    assert sum(one.origin == same for one in tenant.list()) >= count


def test_asyncio_takes_in_alike(domicile: Domicile) -> None:
    """Ids, records and files, with the same refusals."""

    async def take_in(_: AsyncStore, mine: AsyncBoundTenant) -> None:
        minted = await mine.new_id(PROMPT, origin_date=TEN.date)
        await mine.put(PROMPT, b"older", id=minted, origin=TEN)
        await mine.put_file(BytesIO(b"lines"), origin=TEN)
        assert [one.origin for one in await mine.list()] == [TEN, TEN]
        with pytest.raises(OriginRefused):
            await mine.put(PROMPT, b"older", origin=replace(TEN, date=TODAY - 40 * DAY))

    run_async(domicile, take_in)


def test_a_hold_keeps_the_origin_with_the_record(domicile: Domicile, tenant: BoundTenant) -> None:
    """It moves with the row, in the catalog and in the manifest of the object."""
    tenant.put(PROMPT, b"older", subject="u", origin=TEN)
    placed = place_hold(domicile)
    for _ in range(2):
        domicile.pass_time(days=20)
        domicile.run_worker()

    (kept,) = domicile.store.admin.holds.records(placed.hold.id)
    with home(domicile).catalog.begin() as connection:
        (row,) = contents.rows(connection, t.held)
    assert kept.origin == TEN
    assert (row.origin_date, row.origin_source) == (TEN.date, TEN.source)


@pytest.mark.parametrize(
    "origin",
    [
        TODAY,
        Origin(ill_typed(None), SOURCE),
        Origin(ill_typed("2026-02-20"), SOURCE),
        Origin(ill_typed("now"), SOURCE),
        Origin(TODAY, SOURCE[1:]),
        Origin(TODAY, ill_typed(SOURCE.hex())),
    ],
)
def test_an_origin_that_is_none_is_refused(tenant: BoundTenant, origin: object) -> None:
    """Before anything is asked of the catalog."""
    with pytest.raises(InvalidRequest):
        tenant.put(PROMPT, b"older", origin=ill_typed(origin))
    with pytest.raises(InvalidRequest):
        tenant.put_file(BytesIO(b"older"), origin=ill_typed(origin))
    with pytest.raises(InvalidRequest, match="a date rather than a datetime"):
        tenant.new_id(PROMPT, origin_date=ill_typed("2026-02-20"))
