"""How puts of an event loop reach the threads, and their answers the loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest

from storage.client.aio import puts, threads
from storage.client.aio.puts import Puts
from storage.client.aio.threads import Threads
from storage.client.writes import Writes
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
        """Keep the answer."""
        self.begun.set()
        assert self.gate.wait(20)
        self.order.append(self.id)
        self.answers.append(answer)
        return True


@contextmanager
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Threads of which one is for writes."""
    monkeypatch.setattr(threads, "_WRITES", 1)
    made = Threads(5.0)
    yield made
    made.close()


def put(all_puts: Puts, writes: Told) -> asyncio.Task[PutResult]:
    """Begin a put."""
    return asyncio.create_task(all_puts.put(cast(Writes, writes), NEW))


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
