"""Bulk writes wait for their packs to fill, but not once their caller has nothing to add."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.client.aio.store import AsyncStore
from storage.client.aio.tenant import AsyncBoundTenant
from storage.model import DataClass, NewRecord, PutResult
from storage.region import Limits
from storage.testing import Domicile, Gate
from tests.support.async_helpers import run_async
from tests.support.inspect.stored import home, pack_ids, wait_until

pytestmark = pytest.mark.one_region

PROMPT = DataClass.PROMPT


@pytest.fixture
def domicile_limits() -> Limits:
    """Waiting for a pack to fill would take an hour."""
    return Limits(linger=3600)


def test_few_records_are_written_when_their_caller_waits(domicile: Domicile) -> None:
    """Their pack does not fill."""
    results = domicile.tenant().put_many(NewRecord(PROMPT, b"%d" % n) for n in range(3))
    assert [type(result) for result in results] == [PutResult] * 3


def test_so_are_those_of_other_lanes(domicile: Domicile) -> None:
    """Each expiry day has a lane of its own."""
    records = [NewRecord(PROMPT, b"%d" % n, keep_days=n) for n in (5, 9, 5, 20)]
    results = list(domicile.tenant().put_many(records))
    assert [type(result) for result in results] == [PutResult] * 4


def test_lanes_do_not_wait_for_each_other(domicile: Domicile) -> None:
    """A backend that is slow with the pack of one day does not keep that of another from it."""
    t = domicile.tenant()
    list(t.put_many(NewRecord(PROMPT, b"makes the keys", keep_days=n) for n in (5, 9)))
    before, gate = len(pack_ids(home(domicile))), Gate()
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].gates["put"] = gate
    with ThreadPoolExecutor(1) as aside:
        records = [NewRecord(PROMPT, b"%d" % n, keep_days=n) for n in (5, 9)]
        results = aside.submit(lambda: list(t.put_many(records)))
        try:
            wait_until(lambda: len(pack_ids(home(domicile))) == before + 2)
        finally:
            gate.open.set()
    assert [type(result) for result in results.result()] == [PutResult] * 2


def test_so_is_a_parent_that_another_record_waits_for(domicile: Domicile) -> None:
    """A large record has its own pack, and must not overtake what it derives from."""
    t = domicile.tenant()
    parent = t.new_id(PROMPT)
    large = NewRecord(DataClass.COMPLETION, bytes(300_000), derived_from=(parent,))
    results = list(t.put_many([NewRecord(PROMPT, b"small", parent), large]))
    assert [type(result) for result in results] == [PutResult] * 2


def test_so_are_those_of_an_event_loop_at_the_end_of_their_source(domicile: Domicile) -> None:
    """Before that, more may come."""

    async def source() -> AsyncIterator[NewRecord]:
        for n in range(3):
            yield NewRecord(PROMPT, b"%d" % n)

    async def work(_: AsyncStore, t: AsyncBoundTenant) -> None:
        results = [result async for result in t.put_many(source())]
        assert [type(result) for result in results] == [PutResult] * 3

    run_async(domicile, work)
