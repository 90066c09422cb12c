"""Opening and closing an async store, also when the opening is cancelled."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from storage import (
    DomicileError,
    RecordId,
    Store,
)
from storage.client.aio.store import open_in_thread
from storage.testing import SERVICE, Domicile
from tests.support.async_helpers import (
    PATIENCE,
    PROMPT,
    Request,
    block,
    captured_body,
    wait_for,
)

pytestmark = pytest.mark.one_region


@dataclass
class Opening:
    """A store that opens when the test lets it."""

    store: Store
    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    steps: list[str] = field(default_factory=list)

    @contextmanager
    def __call__(self) -> Iterator[Store]:
        """Open the store."""
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        self.steps.append("opened")
        try:
            yield self.store
        finally:
            self.store.close()
            self.steps.append("closed")


def test_a_store_is_closed_though_its_opening_is_cancelled(domicile: Domicile) -> None:
    """The store is closed: no server, pool or thread is left."""
    opening = Opening(domicile.store)

    async def serve() -> None:
        async with open_in_thread(opening()):
            raise AssertionError

    async def main() -> None:
        serving = asyncio.create_task(serve())
        await wait_for(opening.begun)
        serving.cancel()
        await asyncio.sleep(0)
        opening.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(main())

    assert opening.steps == ["opened", "closed"]


def test_an_opening_that_fails_says_why(domicile: Domicile) -> None:
    """The error of the opening propagates."""

    @contextmanager
    def failing() -> Iterator[Store]:
        yield domicile.store.tenant("nobody")  # type: ignore[misc]

    async def main() -> None:
        with pytest.raises(DomicileError, match="nobody"):
            async with open_in_thread(failing()):
                raise AssertionError

    asyncio.run(main())


def test_what_has_begun_is_finished_before_the_store_is_closed(domicile: Domicile) -> None:
    """Closing waits for calls that were cancelled, and for calls that wait for a thread."""
    domicile.tenant()
    opening = Opening(domicile.store)
    opening.go_on.set()
    gate = block(domicile, "upload")
    found: list[RecordId] = []

    async def serve() -> None:
        async with open_in_thread(opening()) as store:
            t = (await store.tenant("acme-eu")).bind(SERVICE)
            request = Request(t)
            answering = asyncio.create_task(request.answer())
            await request.wrote.wait()
            found.append(request.id)
            large = [asyncio.create_task(t.put(PROMPT, bytes(300_000))) for _ in range(40)]
            await wait_for(gate.reached)
            while not answering.done():
                answering.cancel()
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0, gate.open.set)
        await asyncio.gather(*large)

    asyncio.run(serve())

    assert opening.steps == ["opened", "closed"]
    assert captured_body(domicile, found[0]) == (b"it is ", True)
