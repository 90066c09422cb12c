"""How puts of an event loop reach the threads, and their answers the loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import Any, cast

import pytest

from storage.client.aio import puts, threads
from storage.client.aio.puts import Puts
from storage.client.aio.threads import Threads
from storage.client.writes import Writes
from storage.errors import Busy, NotFound
from storage.model import DataClass, NewRecord, PutResult
from storage.packs.answers import Answer
from tests.support.results import RESULT

NEW = NewRecord(DataClass.PROMPT, b"")


class Told:
    """The writes of a tenant, of which only the order is kept. It stops at a gate."""

    def __init__(self, tenant: str, order: list[str], gate: threading.Event) -> None:
        self.id = tenant
        self.order, self.gate = order, gate
        self.answers: list[Answer] = []
        self.begun = threading.Event()

    def queue(
        self, record: NewRecord, answer: Answer, since: float, *, alone: bool = False
    ) -> bool:
        """Keep the answer. One that has a body is sent alone."""
        self.begun.set()
        assert self.gate.wait(20)
        if record.body and not alone:
            return False
        self.order.append(self.id)
        self.answers.append(answer)
        return True

    def note_answer(self, since: float, error: BaseException | None) -> None:
        """Measure nothing."""


@contextmanager
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Threads of which one is for writes."""
    monkeypatch.setattr(threads, "_WRITES", 1)
    made = Threads(5.0)
    yield made
    made.close()


def put(all_puts: Puts, writes: Told, new: NewRecord = NEW) -> asyncio.Task[PutResult]:
    """Begin a put."""
    return asyncio.create_task(all_puts.put(cast(Writes, writes), new))


def test_no_tenant_waits_for_all_puts_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread goes from one to the next, however many puts wait; a tenant's keep their order."""
    order: list[str] = []
    gate = threading.Event()
    many, one = Told("many", order, gate), Told("one", order, gate)

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        asked = [put(all_puts, many) for _ in range(5 * puts._TURN)]
        asked.append(put(all_puts, one))
        await asyncio.to_thread(many.begun.wait, 20)
        gate.set()
        await asyncio.to_thread(one.begun.wait, 20)
        await asyncio.to_thread(with_threads.close)
        for answer in (*many.answers, *one.answers):
            answer.set_result(RESULT)
        assert await asyncio.gather(*asked) == [RESULT] * len(asked)

    with one_thread(monkeypatch) as made:
        asyncio.run(main(made))
    assert order.index("one") == puts._TURN


def test_tenants_whose_puts_hang_delay_no_other() -> None:
    """However many of them came first: more threads begin, one after the other."""
    order: list[str] = []
    gate, opened = threading.Event(), threading.Event()
    opened.set()
    hung = [Told(f"hung-{n}", order, gate) for n in range(12)]
    quick = Told("quick", order, opened)

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        asked = [put(all_puts, one) for one in (*hung, quick)]
        assert await asyncio.to_thread(quick.begun.wait, 20)
        assert order == ["quick"]
        gate.set()
        await asyncio.to_thread(with_threads.close)
        for answer in (answer for one in (*hung, quick) for answer in one.answers):
            answer.set_result(RESULT)
        assert await asyncio.gather(*asked) == [RESULT] * 13

    made = Threads(5.0)
    asyncio.run(main(made))


def test_one_thread_submits_the_puts_of_many_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand would wait for the interpreter, each for the others."""
    monkeypatch.setattr(puts, "_LOOK", 3600.0)
    gate, made, begun = threading.Event(), Threads(5.0), list[object]()
    tenants = [Told(f"tenant-{n}", [], gate) for n in range(50)]
    begin_write = made.begin_write

    def noted(work: Callable[[], None]) -> object:
        begun.append(work)
        return begin_write(work)

    monkeypatch.setattr(made, "begin_write", noted)

    async def main() -> None:
        all_puts = Puts(made)
        asked = [put(all_puts, one) for one in tenants for _ in range(3)]
        await asyncio.to_thread(tenants[0].begun.wait, 20)
        gate.set()
        await asyncio.to_thread(made.close)
        for answer in (answer for one in tenants for answer in one.answers):
            answer.set_result(RESULT)
        assert await asyncio.gather(*asked) == [RESULT] * 150

    asyncio.run(main())
    assert len(begun) == 1


def test_one_wake_up_brings_all_answers_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the loop is busy, a thousand answers cost it one call, and none is lost later."""
    gate = threading.Event()
    gate.set()
    writes = Told("acme", [], gate)

    async def main(with_threads: Threads) -> None:
        loop, all_puts = asyncio.get_running_loop(), Puts(with_threads)
        asked = [put(all_puts, writes) for _ in range(1000)]
        await asyncio.sleep(0)
        await asyncio.to_thread(with_threads.close)
        wakes, wake = iter(range(1000)), loop.call_soon_threadsafe

        def counted(callback: Callable[[], object]) -> object:
            next(wakes)
            return wake(callback)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        with ThreadPoolExecutor(1) as aside:  # the loop waits for its end
            for answer in writes.answers[:990]:
                aside.submit(answer.set_result, RESULT)
        assert next(wakes) == 1
        assert await asyncio.gather(*asked[:990]) == [RESULT] * 990
        monkeypatch.undo()
        for answer in writes.answers[990:]:
            await asyncio.to_thread(answer.set_result, RESULT)
        assert await asyncio.gather(*asked[990:]) == [RESULT] * 10

    with one_thread(monkeypatch) as made:
        asyncio.run(asyncio.wait_for(main(made), 20))


LARGE = NewRecord(DataClass.PROMPT, bytes(1000))  # ``Told`` sends it alone
ROOM_FOR = 3


class End(Enum):
    """How a put ends."""

    RESULT = "result"
    ERROR = "error"
    CANCELLED = "cancelled"


async def all_told(asked: list[asyncio.Task[PutResult]]) -> list[PutResult | BaseException]:
    """Wait for the answers, errors among them."""
    return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)


@pytest.mark.parametrize("new", [NEW, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("end", End)
def test_what_waits_for_answers_is_bounded(
    end: End, new: NewRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused at once, and the others are not; there is as much room after them."""
    monkeypatch.setattr(puts, "_ROOM", 2 * ROOM_FOR * (puts._BESIDE + len(new.body)))

    async def a_round(with_threads: Threads, all_puts: Puts) -> None:
        gate = threading.Event()
        writes = Told("acme", [], gate)
        asked = [put(all_puts, writes, new) for _ in range(ROOM_FOR)]
        refused = await all_told([put(all_puts, writes, new)])
        assert [type(answer) for answer in refused] == [Busy]
        await asyncio.to_thread(writes.begun.wait, 20)
        for one in asked if end is End.CANCELLED else ():
            one.cancel()
        await asyncio.sleep(0)
        gate.set()
        for _ in ("small ones", "large ones"):  # the one thread has come to all before this
            await asyncio.wrap_future(with_threads.begin_write(lambda: None))
        for answer in writes.answers:
            if end is End.ERROR:
                answer.set_exception(NotFound())
            else:
                answer.set_result(RESULT)
        kinds = {End.RESULT: PutResult, End.ERROR: NotFound, End.CANCELLED: asyncio.CancelledError}
        assert [type(answer) for answer in await all_told(asked)] == [kinds[end]] * ROOM_FOR

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        for _ in range(3):
            await a_round(with_threads, all_puts)

    with one_thread(monkeypatch) as made:
        asyncio.run(main(made))


def test_a_tenant_whose_puts_hang_leaves_room_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many it has: those of others are not refused for that."""
    monkeypatch.setattr(puts, "_ROOM", 2 * ROOM_FOR * puts._BESIDE)
    gate = threading.Event()
    hung, other = Told("hung", [], gate), Told("other", [], gate)

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        asked = [put(all_puts, hung) for _ in range(ROOM_FOR + 5)]
        refused = await all_told(asked[ROOM_FOR:])
        assert [type(answer) for answer in refused] == [Busy] * 5
        asked = [*asked[:ROOM_FOR], put(all_puts, other)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.to_thread(with_threads.close)
        for answer in (*hung.answers, *other.answers):
            answer.set_result(RESULT)
        assert await all_told(asked) == [RESULT] * (ROOM_FOR + 1)

    with one_thread(monkeypatch) as made:
        asyncio.run(main(made))


def test_one_that_is_larger_than_the_room_has_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not refused for ever."""
    monkeypatch.setattr(puts, "_ROOM", 1)
    gate = threading.Event()
    writes = Told("acme", [], gate)

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        first, second = (put(all_puts, writes) for _ in range(2))
        assert [type(answer) for answer in await all_told([second])] == [Busy]
        gate.set()
        await asyncio.to_thread(with_threads.close)
        writes.answers[0].set_result(RESULT)
        assert await first == RESULT

    with one_thread(monkeypatch) as made:
        asyncio.run(main(made))


class Late(deque[Any]):
    """Answers, of which the last comes just when the loop has found no more."""

    def __init__(self, last: Callable[[], object]) -> None:
        super().__init__()
        self.last = iter([last])

    def __len__(self) -> int:
        found = super().__len__()
        if not found:
            for give in self.last:
                give()
        return found


def test_an_answer_that_comes_while_the_loop_looks_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It wakes the loop again."""
    gate = threading.Event()
    gate.set()
    writes = Told("acme", [], gate)

    async def main(with_threads: Threads) -> None:
        all_puts = Puts(with_threads)
        asked = [put(all_puts, writes) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.to_thread(with_threads.close)
        first, last = writes.answers
        monkeypatch.setattr(all_puts._bell, "_answered", Late(lambda: last.set_result(RESULT)))
        first.set_result(RESULT)
        assert await asyncio.gather(*asked) == [RESULT] * 2

    with one_thread(monkeypatch) as made:
        asyncio.run(asyncio.wait_for(main(made), 20))
