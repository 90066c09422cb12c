"""Closing a store takes a bounded time, whatever hangs, and every write gets an answer."""

import asyncio
from concurrent.futures import Future
from time import monotonic

import pytest

from storage.client.aio.store import AsyncStore
from storage.errors import Abandoned, InvalidRequest, OutcomeUnknown, Unavailable
from storage.model import DataClass, NewRecord, Purpose, PutResult
from storage.region import Limits
from storage.testing import SERVICE, Domicile, Gate, wait_at

PROMPT = DataClass.PROMPT
BOUND = 8.0  # seconds: far below the 15 for which a flush waits for a backend that hangs


@pytest.fixture
def domicile_limits() -> Limits:
    """A store that waits for nothing when it is closed."""
    return Limits(close=0.1)


def hung(domicile: Domicile, gate: Gate) -> tuple[Future[PutResult], Future[PutResult]]:
    """Return a record whose pack hangs on its way to a backend, and one that waits behind it."""
    t = domicile.tenant()
    domicile.backends["eu-a"].inject(wait_at(gate), "put", prefix="pack/")
    first = t.submit(NewRecord(PROMPT, b"on its way"))
    assert gate.reached.wait(20)
    return first, t.submit(NewRecord(PROMPT, b"behind it"))


def test_a_backend_that_hangs_delays_no_end(domicile: Domicile, gate: Gate) -> None:
    """What was on its way may be stored; what was not sent is not."""
    first, second = hung(domicile, gate)
    began = monotonic()
    domicile.stack.close()

    assert monotonic() - began < BOUND
    with pytest.raises(OutcomeUnknown) as unknown:
        first.result(0)
    with pytest.raises(Abandoned, match="closed"):
        second.result(0)

    gate.open.set()
    domicile.open()
    again = domicile.store.tenant("acme-eu").bind(SERVICE)
    put = again.put(PROMPT, b"on its way", id=unknown.value.record_id)
    assert again.get(put.id, purpose=Purpose.SERVE).body == b"on its way"


def test_a_read_that_hangs_delays_no_end_of_an_event_loop(domicile: Domicile, gate: Gate) -> None:
    """The call that awaits it gets an error, and later calls are refused."""
    stored = domicile.tenant().put(PROMPT, b"hello").id
    for backend in domicile.backends.values():
        backend.inject(wait_at(gate), "get", prefix="pack/")

    async def main() -> None:
        store = AsyncStore(domicile.store, seconds=0.1)
        t = (await store.tenant("acme-eu")).bind(SERVICE)
        reading = asyncio.create_task(t.get(stored, purpose=Purpose.SERVE))
        await asyncio.to_thread(gate.reached.wait, 20)
        await store.close()
        with pytest.raises(Unavailable, match="closed"):
            await reading
        with pytest.raises(InvalidRequest, match="closed"):
            (await store.tenant("acme-eu")).bind(SERVICE)

    began = monotonic()
    asyncio.run(main())
    assert monotonic() - began < BOUND
