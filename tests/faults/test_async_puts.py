"""Many puts of one event loop: each gets its own answer, whatever happens to the others."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace

import pytest

from storage import AsyncBoundTenant, AsyncStore, DataClass, NewRecord, PutResult, RecordId
from storage.client.tenant import BoundTenant
from storage.errors import (
    BodyTooLarge,
    Busy,
    DomicileError,
    IdConflict,
    InvalidRequest,
    LineageConflict,
    NotFound,
    TermsChanged,
    Unavailable,
)
from storage.packs.answers import Answer, Pending
from storage.region import Limits
from storage.testing import SERVICE, Domicile, Gate, wait_at
from tests.support.async_helpers import PATIENCE, PROMPT, SERVE, block, run_async, wait_for

ONE_AT_A_TIME = Limits(buffer=1)
"""A buffer in which one record has room."""

IMPATIENT = Limits(buffer=1, wait=3.0)
"""The same, and another record does not wait for long."""

Answers = list[PutResult | BaseException]


def begin(t: AsyncBoundTenant, ids: list[RecordId]) -> list[asyncio.Task[PutResult]]:
    """Begin to put a record for each id."""
    return [asyncio.create_task(t.put(PROMPT, b"%d" % n, id=i)) for n, i in enumerate(ids)]


async def new_ids(t: AsyncBoundTenant, count: int) -> list[RecordId]:
    """Mint ids."""
    return [await t.new_id(PROMPT) for _ in range(count)]


async def submitted(domicile: Domicile, gate: Gate, t: AsyncBoundTenant) -> asyncio.Task[PutResult]:
    """Return a put whose pack hangs on its way, so that it takes room in the buffer."""
    domicile.backends["eu-a"].inject(wait_at(gate), "put", prefix="pack/")
    first = asyncio.create_task(t.put(PROMPT, b"the first"))
    await wait_for(gate.reached)
    return first


def test_each_put_gets_its_own_answer(domicile: Domicile) -> None:
    """One that is refused, at once or by the catalog, fails none of the others."""
    taken = domicile.tenant().put(PROMPT, b"taken").id

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ids = await new_ids(t, 300)
        missing = await t.new_id(PROMPT)
        wrong = {
            10: (t.put(PROMPT, b"", subject=""), InvalidRequest),
            20: (t.put(PROMPT, b"other", id=taken), IdConflict),
            30: (t.put(DataClass.COMPLETION, b"", derived_from=[missing]), LineageConflict),
            40: (t.put(PROMPT, bytes(17 * 1024 * 1024)), BodyTooLarge),
        }
        asked = [
            wrong[n][0] if n in wrong else t.put(PROMPT, b"%d" % n, id=i) for n, i in enumerate(ids)
        ]
        answers: Answers = await asyncio.gather(*asked, return_exceptions=True)

        for n, answer in enumerate(answers):
            if n in wrong:
                assert isinstance(answer, wrong[n][1])
            else:
                assert isinstance(answer, PutResult)
                assert answer.id == ids[n]
        for n in (0, 11, 299):
            assert (await t.get(ids[n], purpose=SERVE)).body == b"%d" % n

    run_async(domicile, work)


def test_tenants_get_their_own_answers(domicile: Domicile) -> None:
    """Puts of several tenants at once, each through several objects of the same tenant."""
    names = [f"tenant-{n}" for n in range(5)]
    for name in names:
        domicile.tenant(name)

    async def work(store: AsyncStore, _: AsyncBoundTenant) -> None:
        bound = [(await store.tenant(name)).bind(SERVICE) for name in names for _ in range(3)]
        ids = [await t.new_id(PROMPT) for t in bound]
        puts = (t.put(PROMPT, t.id.encode(), id=i) for t, i in zip(bound, ids, strict=True))

        assert [put.id for put in await asyncio.gather(*puts)] == ids
        for t, i in zip(bound, ids, strict=True):
            assert (await t.get(i, purpose=SERVE)).body == t.id.encode()

    run_async(domicile, work)


def test_large_bodies_delay_no_small_ones(domicile: Domicile, gate: Gate) -> None:
    """Bodies that are sent alone hang on their way; small ones after them are stored."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        for backend in domicile.backends.values():
            backend.gates["upload"] = gate
        large = [asyncio.create_task(t.put(PROMPT, bytes(300_000))) for _ in range(5)]
        large.append(asyncio.create_task(t.put(DataClass.FINE_TUNING_FILE, b"small, sent alone")))
        small = await asyncio.gather(*(t.put(PROMPT, b"%d" % n) for n in range(50)))

        assert [one.done() for one in large] == [False] * 6
        assert len({put.id for put in small}) == 50
        gate.open.set()
        for put in await asyncio.gather(*large):
            assert (await t.get(put.id, purpose=SERVE)).info.size in {300_000, 17}

    run_async(domicile, work)


def test_a_cancelled_put_takes_no_answer_of_another(domicile: Domicile) -> None:
    """Every third of many is cancelled. Repeating the calls stores what was not stored."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ids = await new_ids(t, 60)
        gate = block(domicile, "put")
        puts = begin(t, ids)
        await wait_for(gate.reached)
        for put in puts[::3]:
            put.cancel()
        gate.open.set()
        answers: Answers = await asyncio.gather(*puts, return_exceptions=True)

        for n, answer in enumerate(answers):
            cancelled = isinstance(answer, asyncio.CancelledError)
            assert cancelled == (n % 3 == 0)
            assert cancelled or (isinstance(answer, PutResult) and answer.id == ids[n])
        again = await asyncio.gather(*begin(t, ids))
        assert [put.id for put in again] == ids

    run_async(domicile, work)


def test_the_time_to_wait_for_room_begins_with_the_call(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not again when another put finds room: offered too much, nobody would ever be refused."""
    began, queue = list[float](), BoundTenant.queue

    def noted(
        self: BoundTenant, record: NewRecord, answer: Answer, since: float, **how: bool
    ) -> bool:
        began.append(since)
        return queue(self, record, answer, since, **how)

    monkeypatch.setattr(BoundTenant, "queue", noted)

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        puts = begin(t, await new_ids(t, 300))
        await asyncio.sleep(0)
        called = time.monotonic()
        await asyncio.gather(*puts)
        assert len(began) == 300
        assert max(began) <= called

    run_async(domicile, work)


@pytest.mark.parametrize("domicile_limits", [IMPATIENT])
def test_all_that_wait_for_it_are_told_in_time(domicile: Domicile, gate: Gate) -> None:
    """Not one after the other: no put waits for room longer than the time for one."""
    domicile.tenant().put(PROMPT, b"the day has its key")

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        first = await submitted(domicile, gate, t)
        async with asyncio.timeout(3 * IMPATIENT.wait):
            answers: Answers = await asyncio.gather(
                *begin(t, await new_ids(t, 10)), return_exceptions=True
            )
        assert [type(answer) for answer in answers] == [Busy] * 10
        gate.open.set()
        assert (await first).stored
        assert (await t.put(PROMPT, b"there is room again")).stored

    run_async(domicile, work)


def test_a_put_whose_time_is_over_is_refused_although_there_is_room(domicile: Domicile) -> None:
    """Offered too much, what waits does not grow: who came within the time comes next."""
    t, record, over = domicile.tenant(), NewRecord(PROMPT, b"late"), time.monotonic() - 31.0
    with pytest.raises(Busy):
        t.queue(record, Pending(), over)
    assert t.queue(record, in_time := Pending(), over + 20.0)
    assert in_time.result().stored


@pytest.mark.parametrize("domicile_limits", [ONE_AT_A_TIME])
class TestFullBuffer:
    """The write buffer is full: one put waits in a thread, and others behind it."""

    def test_it_blocks_nothing_else(self, domicile: Domicile, gate: Gate) -> None:
        """The loop, reads and the end of the wait: the puts go on when there is room."""
        old = domicile.tenant().put(PROMPT, b"old").id

        async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
            first = await submitted(domicile, gate, t)
            behind = begin(t, await new_ids(t, 10))
            assert (await t.get(old, purpose=SERVE)).body == b"old"
            assert [one.done() for one in (first, *behind)] == [False] * 11
            gate.open.set()

            assert all(put.stored for put in await asyncio.gather(first, *behind))

        run_async(domicile, work)

    def test_one_that_is_cancelled_behind_it_is_not_stored(
        self, domicile: Domicile, gate: Gate
    ) -> None:
        """No thread has begun with it."""
        domicile.tenant().put(PROMPT, b"the day has its key")

        async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
            await submitted(domicile, gate, t)
            ids = await new_ids(t, 3)
            puts = begin(t, ids)
            await asyncio.sleep(0)
            puts[1].cancel()
            await asyncio.wait({puts[1]})
            gate.open.set()
            await asyncio.gather(puts[0], puts[2])

            with pytest.raises(NotFound):
                await t.get(ids[1], purpose=SERVE)

        run_async(domicile, work)

    def test_closing_answers_all_that_wait(self, domicile: Domicile, gate: Gate) -> None:
        """Those that no thread has submitted are told that the store was closed."""
        domicile.tenant().put(PROMPT, b"the day has its key")

        async def main() -> None:
            store = AsyncStore(domicile.store, seconds=0.1)
            t = (await store.tenant("acme-eu")).bind(SERVICE)
            first = await submitted(domicile, gate, t)
            behind = begin(t, await new_ids(t, 10))
            await asyncio.sleep(0)
            async with asyncio.timeout(ONE_AT_A_TIME.wait):  # sooner than for want of room
                await store.close()
                answers: Answers = await asyncio.gather(*behind, return_exceptions=True)
            assert [type(answer) for answer in answers] == [Unavailable] * 10
            gate.open.set()
            assert (await first).stored

        asyncio.run(main())


def test_closing_waits_for_puts_that_have_begun(domicile: Domicile) -> None:
    """More than a thread takes in one turn: all are stored, and a later one is refused."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        puts = begin(t, await new_ids(t, 1000))
        puts.append(asyncio.create_task(t.put(PROMPT, bytes(300_000))))
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        refused = 0
        while not closing.done():
            await asyncio.sleep(0.001)
            try:
                await t.put(PROMPT, b"late")
            except InvalidRequest:
                refused += 1

        assert refused
        assert all(put.stored for put in await asyncio.gather(*puts))

    run_async(domicile, work)


def test_changed_terms_are_read_again(domicile: Domicile) -> None:
    """A put that finds the tenant's terms changed fails; the next one is by the new terms."""
    domicile.tenant().put(PROMPT, b"the terms are known")

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        with domicile.open_another() as elsewhere:
            spec = elsewhere.admin.tenants.get("acme-eu")
            elsewhere.admin.tenants.ensure(replace(spec, retention={PROMPT: 7}))
        with pytest.raises(TermsChanged):
            await t.put(PROMPT, b"by the old terms")
        put = await t.put(PROMPT, b"by the new ones")

        assert put.deadline is not None
        assert (put.deadline - domicile.clock.now()).days <= 7

    run_async(domicile, work)


seen: ContextVar[str] = ContextVar("seen", default="nothing")


@dataclass
class Asking(Mapping[str, object]):
    """Metadata that note in which context they are read."""

    read_in: set[str]

    def __getitem__(self, key: str) -> object:
        self.read_in.add(seen.get())
        return key

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def __len__(self) -> int:
        return 1


def test_a_put_runs_in_its_callers_context(domicile: Domicile) -> None:
    """Also if it is submitted with others, so that logs and traces know the request."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        found: list[set[str]] = [set() for _ in range(20)]

        async def request(n: int) -> None:
            seen.set(f"request {n}")
            await t.put(PROMPT, b"", metadata=Asking(found[n]))

        await asyncio.gather(*map(request, range(20)))

        assert found == [{f"request {n}"} for n in range(20)]

    run_async(domicile, work)


def test_a_loop_that_has_ended_fails_no_other_write(domicile: Domicile, gate: Gate) -> None:
    """Nobody waits for its put any more; what shares the pack with it gets a result."""
    t = domicile.tenant()
    abandoned = t.new_id(PROMPT)
    t.put(PROMPT, b"the day has its key")
    domicile.backends["eu-a"].inject(wait_at(gate), "put", prefix="pack/")
    first = t.submit(NewRecord(PROMPT, b"the pack before"))
    assert gate.reached.wait(20)

    async def leave() -> None:
        store = AsyncStore(domicile.store)
        putting = (await store.tenant("acme-eu")).put(PROMPT, b"1", id=abandoned)
        task = asyncio.create_task(putting)
        await asyncio.sleep(0)
        await store.close()  # it waits for the thread that submits the put
        task.cancel()

    asyncio.run(leave())
    beside = t.submit(NewRecord(PROMPT, b"2"))
    gate.open.set()

    assert first.result(20).stored
    assert beside.result(20).stored
    assert t.get(abandoned, purpose=SERVE).body == b"1"


def test_a_store_goes_on_in_a_new_loop(domicile: Domicile) -> None:
    """One loop after the other, as with ``asyncio.run`` for each command."""
    t = domicile.tenant()
    store = AsyncStore(domicile.store)
    bound = asyncio.run(store.tenant("acme-eu")).bind(SERVICE)

    for n in range(2):
        put = asyncio.run(asyncio.wait_for(bound.put(PROMPT, b"%d" % n), PATIENCE))
        assert t.get(put.id, purpose=SERVE).body == b"%d" % n
    store.shut()


def test_an_error_of_the_code_is_the_callers(domicile: Domicile) -> None:
    """What nobody expects reaches the one whose put it was, and the others are stored."""

    class Broken(Asking):
        def __getitem__(self, key: str) -> object:
            raise StopIteration  # the one that a future does not take

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        broken = t.put(PROMPT, b"", metadata=Broken(set()))
        first, second, third = await asyncio.gather(
            t.put(PROMPT, b"1"), broken, t.put(PROMPT, b"3"), return_exceptions=True
        )

        assert isinstance(first, PutResult)
        assert isinstance(second, RuntimeError)
        assert not isinstance(second, DomicileError)
        assert isinstance(third, PutResult)

    run_async(domicile, work)
