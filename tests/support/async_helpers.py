"""Helpers for tests of the asynchronous store."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from storage import (
    AsyncBoundTenant,
    AsyncCapture,
    AsyncStore,
    DataClass,
    Purpose,
    RecordId,
)
from storage.testing import SERVICE, Domicile, Gate

T = TypeVar("T")

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION
SERVE = Purpose.SERVE
BODY = bytes(range(256)) * 12_000  # about 3 MiB
PATIENCE = 60.0  # seconds until a test that waits for something fails


def run_async(
    domicile: Domicile, work: Callable[[AsyncStore, AsyncBoundTenant], Awaitable[T]]
) -> T:
    """Run ``work`` in a new event loop, with the store and its tenant ``acme-eu``."""
    domicile.tenant()

    async def main() -> T:
        async with asyncio.timeout(PATIENCE), AsyncStore(domicile.store) as store:
            return await work(store, (await store.tenant("acme-eu")).bind(SERVICE))

    return asyncio.run(main())


async def wait_for(event: threading.Event) -> None:
    """Wait for an event that a thread sets."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


def block(domicile: Domicile, call: str, *names: str) -> Gate:
    """Make calls of the backends wait at a gate; return it. The day has its key already."""
    domicile.store.tenant("acme-eu").put(PROMPT, b"the first of its day")
    gate = Gate()
    for name in names or ("eu-a", "eu-b"):
        domicile.backends[name].gates[call] = gate
    return gate


async def as_async(things: Iterator[T]) -> AsyncIterator[T]:
    """Yield the items asynchronously."""
    for thing in things:
        await asyncio.sleep(0)
        yield thing


def body_pieces() -> Iterator[bytes]:
    """Yield the body in pieces of different sizes."""
    for start in range(0, len(BODY), 700_001):
        yield BODY[start : start + 700_001]


def packs_left(domicile: Domicile) -> list[object]:
    """Run the worker, then return what is left of packs."""
    for _ in range(2):
        domicile.run_worker()
        domicile.pass_time(hours=1)
    return [trace for b in domicile.backends.values() for trace in b.inner.scan("pack/")]


def captured_body(domicile: Domicile, record_id: RecordId) -> tuple[bytes, bool]:
    """Return the stored body once the store is closed, and whether it is marked incomplete."""
    record = domicile.open().tenant("acme-eu").bind(SERVICE).get(record_id, purpose=SERVE)
    return record.body, record.info.incomplete


@dataclass
class Request:
    """A request that streams an answer and is canceled in the middle."""

    t: AsyncBoundTenant
    wrote: asyncio.Event = field(default_factory=asyncio.Event)
    sink: AsyncCapture | None = None

    async def answer(self) -> None:
        """Handle the request."""
        async with self.t.capture(COMPLETION, subject="u") as self.sink:
            await self.sink.write(b"it is ")
            self.wrote.set()
            await asyncio.Event().wait()

    @property
    def id(self) -> RecordId:
        """Return the id of the captured record."""
        assert self.sink is not None
        return self.sink.id
