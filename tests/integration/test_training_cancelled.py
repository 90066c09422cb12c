"""Asynchronous training reads that are cancelled."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from storage.client.aio.store import AsyncStore
from storage.client.aio.training import AsyncTraining
from storage.evidence.manifests import verify_manifests
from storage.model import DataClass
from storage.testing import Domicile
from storage.testing.faults import Call
from tests.support.inspect.stored import home
from tests.support.screening import MILL, machine
from tests.support.training import consent, permit_training

pytestmark = pytest.mark.one_region

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION
PATIENCE = 30.0


@pytest.fixture
def training(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose topology permits training, with a prompt and a completion to train on."""
    permit_training(domicile, tmp_path)
    tenant = domicile.tenant()
    machine(domicile)
    consent(domicile)
    tenant.put(PROMPT, b"one")
    tenant.put(COMPLETION, b"two")
    return domicile


class Stall:
    """Makes the next page wait in the ledger: ``reached``, until ``go``."""

    def __init__(self, domicile: Domicile) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        for name in ("eu-a", "eu-b"):
            domicile.backends[name].inject(self._wait, "put", prefix="ledger/")

    def _wait(self, call: Call) -> object:
        self.reached.set()
        assert self.go.wait(PATIENCE)
        return call.proceed()


async def rest(read: AsyncTraining) -> list[str]:
    """Read what is left, and return its lines."""
    return [one.entry async for one in read]


async def cancelled(domicile: Domicile, read: AsyncTraining) -> tuple[list[str], Stall]:
    """Take one record, and be cancelled while the next is read; return the line of the first."""
    lines = [(await anext(aiter(read))).entry]
    stall = Stall(domicile)
    task = asyncio.create_task(rest(read))
    await asyncio.to_thread(stall.reached.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return lines, stall


def run(
    domicile: Domicile, use: Callable[[AsyncTraining], Coroutine[None, None, list[str]]]
) -> list[int]:
    """Use a read of two pages; return how many records its verified manifest has."""

    async def main() -> list[str]:
        store = AsyncStore(domicile.store)
        try:
            read = await store.training(
                "acme-eu", run="r", actor=MILL, classes=[PROMPT, COMPLETION]
            )
            lines = await use(read)
            return [*lines, *read.manifests]
        finally:
            await store.close()

    found = verify_manifests(asyncio.run(main()), home(domicile).signing.public_key())
    return [one.records for one in found]


def test_a_record_that_nobody_received_is_not_in_the_manifest(training: Domicile) -> None:
    """The read ends, and waits for what is being read: the manifest is that of the caller."""

    async def use(read: AsyncTraining) -> list[str]:
        lines, stall = await cancelled(training, read)
        closing = asyncio.create_task(read.close())
        await asyncio.sleep(0)
        assert not closing.done()
        stall.go.set()
        await closing
        return lines

    assert run(training, use) == [1]


def test_a_record_that_nobody_received_comes_next(training: Domicile) -> None:
    """If the caller goes on: it is in the manifest then, once."""

    async def use(read: AsyncTraining) -> list[str]:
        lines, stall = await cancelled(training, read)
        stall.go.set()
        lines += await rest(read)
        assert len(set(lines)) == 2
        await read.close()
        return lines

    assert run(training, use) == [2]


@pytest.mark.parametrize("more", [1, 9])
def test_a_read_is_closed_while_another_task_waits_for_a_record(
    training: Domicile, more: int
) -> None:
    """As at a shutdown. What that task receives is in the manifest."""

    async def use(read: AsyncTraining) -> list[str]:
        lines = [(await anext(aiter(read))).entry]
        stall = Stall(training)

        async def consume() -> None:
            left = more
            async for one in read:
                lines.append(one.entry)
                left -= 1
                if not left:
                    return

        consumer = asyncio.create_task(consume())
        await asyncio.to_thread(stall.reached.wait, PATIENCE)
        closing = asyncio.create_task(read.close())
        await asyncio.sleep(0)
        stall.go.set()
        await asyncio.gather(consumer, closing)
        assert len(lines) == 2
        return lines

    assert run(training, use) == [2]


def test_two_tasks_receive_different_records(training: Domicile) -> None:
    """And the manifest has both."""

    async def use(read: AsyncTraining) -> list[str]:
        async def one() -> str:
            return (await anext(aiter(read))).entry

        lines = await asyncio.gather(one(), one())
        assert len(set(lines)) == 2
        await read.close()
        return list(lines)

    assert run(training, use) == [2]
