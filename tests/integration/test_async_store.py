"""The async API: the same methods as the sync one, and results as soon as they are known."""

import asyncio
import inspect
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest

from storage import (
    AsyncBoundTenant,
    AsyncCapture,
    AsyncOpenFile,
    AsyncStore,
    BoundTenant,
    Capture,
    DataClass,
    Erased,
    ErasureState,
    InvalidRequest,
    MalformedId,
    NewRecord,
    NotFound,
    OpenFile,
    PutFailure,
    PutResult,
    Reason,
    Scope,
    Store,
    UnknownTenant,
)
from storage.client.admin import Admin, Tenants
from storage.client.aio.admin import AsyncAdmin, AsyncTenants
from storage.client.aio.holds import AsyncHolds
from storage.client.aio.processors import AsyncProcessors
from storage.client.aio.sources import AHEAD
from storage.client.bulk import WINDOW
from storage.client.holds import Holds
from storage.client.processors import Processors
from storage.packs.answers import Answer
from storage.testing import SERVICE, Domicile
from tests.support.async_helpers import (
    COMPLETION,
    PROMPT,
    SERVE,
    as_async,
    block,
    run_async,
    wait_for,
)

# the surface


@pytest.mark.parametrize(
    ("ours", "theirs", "without"),
    [
        (AsyncStore, Store, set()),
        (AsyncAdmin, Admin, set()),
        (AsyncTenants, Tenants, set()),
        (AsyncHolds, Holds, set()),
        (AsyncProcessors, Processors, set()),
        (AsyncBoundTenant, BoundTenant, {"submit", "window", "screen_batches"}),
        (AsyncCapture, Capture, {"end", "fail"}),
        (AsyncOpenFile, OpenFile, {"ranges", *dir(io.RawIOBase)}),  # asyncio has no files
    ],
)
def test_the_surface_is_the_same(ours: type, theirs: type, without: set[str]) -> None:
    """Every public method exists, with the same arguments and defaults."""

    def surface(of: type) -> dict[str, list[tuple[str, object, object]]]:
        return {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(it).parameters.values()]
            for name, it in vars(of).items()
            if inspect.isfunction(it) and not name.startswith("_")
        }

    expected = {name: given for name, given in surface(theirs).items() if name not in without}

    assert {name: given for name, given in surface(ours).items() if name in expected} == expected
    assert surface(ours).keys() - expected.keys() <= {"shut"}


def test_what_is_put_is_got(domicile: Domicile) -> None:
    """put, get, list, explain and new_id return what the sync methods return."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        p = await t.new_id(PROMPT, key="req-1")
        put = await t.put(PROMPT, b"hello", id=p, subject="u", group="g", metadata={"a": 1})
        record = await t.get(str(p), purpose=SERVE)

        assert put == await t.put(PROMPT, b"hello", id=p, subject="u", group="g", metadata={"a": 1})
        assert (t.id, put.id, record.body, record.metadata) == ("acme-eu", p, b"hello", {"a": 1})
        assert [info.id for info in await t.list(data_class=PROMPT, subject="u", group="g")] == [p]
        assert not await t.list(after=p)
        assert (await t.explain(p)).id == p
        assert (await t.new_id(PROMPT, key="req-1")).unique == p.unique

    run_async(domicile, work)


def test_erasures_and_admin(domicile: Domicile) -> None:
    """On return of ``erase`` reads refuse; the operators' methods answer."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        put = await t.put(PROMPT, b"hello", subject="u")
        erasure = await t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST, ticket="T-1")
        account = await store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
        spec = await store.admin.tenants.get("acme-eu")
        await store.admin.tenants.ensure(spec)

        with pytest.raises(Erased):
            await t.get(put.id, purpose=SERVE)
        assert (await store.erasure(erasure.id)).state is ErasureState.FENCED
        assert [e.tenant for e in account.erasures] == ["acme-eu"]
        erasures = await store.erasures("eu-central-1", limit=2)
        assert [e.id for e in erasures] == [account.erasures[0].id, erasure.id]
        assert await store.erasures("eu-central-1", after=erasure.id) == []
        assert await store.admin.tenants.list("eu-central-1") == [spec]
        status = await store.status()
        assert [found.region for found in status.regions] == ["eu-central-1", "us-east-1"]
        with pytest.raises(UnknownTenant):
            (await store.tenant("nobody")).bind(SERVICE)

    run_async(domicile, work)


def test_errors_are_those_of_the_store(domicile: Domicile) -> None:
    """Errors of the sync methods come out of the await, or of entering the block."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        with pytest.raises(MalformedId):
            await t.put(PROMPT, b"", id="x")
        with pytest.raises(MalformedId):
            await t.get("x", purpose=SERVE)
        with pytest.raises(InvalidRequest):
            await t.put_file(7)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            await anext(t.put_many(7))  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            async with t.open(await t.new_id(PROMPT), purpose=SERVE):
                raise AssertionError
        with pytest.raises(InvalidRequest):
            async with t.capture(COMPLETION, subject=""):
                raise AssertionError
        with pytest.raises(InvalidRequest):
            _ = t.capture(COMPLETION).id

    run_async(domicile, work)


def test_a_store_that_is_closed_says_so(domicile: Domicile) -> None:
    """A call after ``close`` raises InvalidRequest; the wrapped store stays open."""
    t = domicile.tenant()

    async def main() -> None:
        async with AsyncStore(domicile.store) as store:
            late = (await store.tenant("acme-eu")).bind(SERVICE)
        with pytest.raises(InvalidRequest, match="closed"):
            await late.put(PROMPT, b"late")

    asyncio.run(main())

    assert t.put(PROMPT, b"hello").stored


seen: ContextVar[str] = ContextVar("seen", default="nothing")


def test_a_source_runs_in_its_callers_context(domicile: Domicile) -> None:
    """Calls run in the context of the caller, so that logs and traces know the request."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> list[str]:
        found = []

        def source() -> Iterator[bytes]:
            found.append(seen.get())
            yield b"hello"

        seen.set("the request")
        await t.put_file(source())
        return found

    assert run_async(domicile, work) == ["the request"]


# many at a time


def test_two_hundred_puts_at_once_hold_no_threads(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many puts are queued while a backend delays the first pack; reads continue."""
    queued, count = threading.Event(), iter(range(1, 201))
    queue = BoundTenant.queue
    old = domicile.tenant().put(DataClass.FINE_TUNING_FILE, bytes(300_000)).id
    gate = block(domicile, "put")

    def counted(
        self: BoundTenant, record: NewRecord, answer: Answer, since: float, **how: bool
    ) -> bool:
        done = queue(self, record, answer, since, **how)
        if next(count) == 200:
            queued.set()
        return done

    monkeypatch.setattr(BoundTenant, "queue", counted)

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ids = [await t.new_id(PROMPT) for _ in range(200)]
        packs = domicile.backends["eu-a"].count("put")
        puts = [asyncio.create_task(t.put(PROMPT, b"%d" % n, id=i)) for n, i in enumerate(ids)]
        await wait_for(queued)
        assert (await t.get(old, purpose=SERVE)).info.size == 300_000
        gate.open.set()
        results = await asyncio.gather(*puts)

        assert [result.id for result in results] == ids
        assert domicile.backends["eu-a"].count("put") - packs <= 4
        bodies = [(await t.get(i, purpose=SERVE)).body for i in ids]
        assert bodies == [b"%d" % n for n in range(200)]

    run_async(domicile, work)


def some(count: int, wrong_at: int = -1) -> Iterator[NewRecord]:
    """Yield records, one of which is refused."""
    for n in range(count):
        yield NewRecord(PROMPT, b"%d" % n, subject="" if n == wrong_at else "u")


@pytest.mark.parametrize("way", [lambda x: x, as_async, list], ids=["iterator", "async", "list"])
def test_many_in_order_with_errors_per_item(domicile: Domicile, way: Callable) -> None:  # type: ignore[type-arg]
    """One result per record, in order; a bad record fails alone."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        results = [result async for result in t.put_many(way(some(300, wrong_at=150)))]

        assert [type(result) for result in results] == [
            PutFailure if n == 150 else PutResult for n in range(300)
        ]
        assert isinstance(results[150], PutFailure)
        assert isinstance(results[150].error, InvalidRequest)
        assert (await t.get(results[299].id or "", purpose=SERVE)).body == b"299"

    run_async(domicile, work)


def test_nothing_gives_nothing(domicile: Domicile) -> None:
    """Without records there are no results."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> list[object]:
        return [result async for result in t.put_many([])]

    assert run_async(domicile, work) == []


def test_a_result_is_given_while_the_source_waits(domicile: Domicile) -> None:
    """The source may wait for the result of its last record, as a consumer of a queue does."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        acknowledged = asyncio.Event()

        async def source() -> AsyncIterator[NewRecord]:
            for record in some(5):
                acknowledged.clear()
                yield record
                await acknowledged.wait()

        count = 0
        async for result in t.put_many(source()):
            assert isinstance(result, PutResult)
            count += 1
            acknowledged.set()

        assert count == 5

    run_async(domicile, work)


@dataclass
class Endless:
    """Yield records without end and count them. Set ``full`` at a number."""

    at: int
    taken: int = 0
    full: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[NewRecord]:
        while True:
            self.taken += 1
            if self.taken == self.at:
                self.full.set()
            yield NewRecord(PROMPT, b"%d" % self.taken)


@pytest.mark.parametrize("way", [lambda x: x, lambda x: as_async(iter(x))], ids=["sync", "async"])
def test_an_endless_source_is_taken_one_window_ahead(domicile: Domicile, way: Callable) -> None:  # type: ignore[type-arg]
    """Nothing is read before the first result is asked for, and never more than the window."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        most = WINDOW + AHEAD
        endless = Endless(at=most)
        gate = block(domicile, "put")
        async with aclosing(t.put_many(way(endless))) as results:
            assert endless.taken == 0
            first = asyncio.create_task(anext(results))
            await wait_for(endless.full)
            await asyncio.sleep(0)
            assert (endless.taken, first.done()) == (most, False)
            gate.open.set()
            assert isinstance(await first, PutResult)
            for given in range(1, 5000):
                assert isinstance(await anext(results), PutResult)
                assert endless.taken - given <= most

    run_async(domicile, work)


def test_a_source_that_fails_gives_the_results_before_it(domicile: Domicile) -> None:
    """The records before the failure are stored, and their results come before the error."""

    def source() -> Iterator[NewRecord]:
        yield from some(2)
        raise OSError("no more")

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        for records in (source(), as_async(source())):
            results = t.put_many(records)

            assert [type(await anext(results)) for _ in range(2)] == [PutResult] * 2
            with pytest.raises(OSError, match="no more"):
                await anext(results)

    run_async(domicile, work)


def test_who_stops_asking_stops_the_source(domicile: Domicile) -> None:
    """Closing the generator early closes its source and leaves no task."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ended = asyncio.Event()

        async def source() -> AsyncIterator[NewRecord]:
            try:
                for record in some(1):
                    yield record
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with aclosing(t.put_many(source())) as results:
            await anext(results)
        await ended.wait()

        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_async(domicile, work)
