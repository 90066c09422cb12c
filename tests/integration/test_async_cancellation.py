"""Cancelled captures, uploads, puts and openings."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import pytest

from storage import (
    AsyncBoundTenant,
    AsyncCapture,
    AsyncStore,
    NotFound,
    RecordId,
    TooFewReplicas,
)
from storage.testing import Domicile
from tests.support.async_helpers import (
    BODY,
    COMPLETION,
    PATIENCE,
    PROMPT,
    SERVE,
    Request,
    as_async,
    block,
    body_pieces,
    captured_body,
    packs_left,
    run_async,
    wait_for,
)

pytestmark = pytest.mark.one_region


@dataclass
class Stalled:
    """Streams that stop after their first bytes until ``go_on`` is set, or until cancelled."""

    sent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def sync(self) -> Iterator[bytes]:
        """Cannot be cancelled: it waits in a thread."""
        yield BODY
        self.sent.set()
        assert self.go_on.wait(PATIENCE)
        yield BODY

    async def asynchronous(self) -> AsyncIterator[bytes]:
        """Ends where it is cancelled."""
        try:
            yield BODY
            yield BODY
            self.sent.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True

    async def stubborn(self) -> AsyncIterator[bytes]:
        """Continue to the end even if cancelled."""
        with suppress(asyncio.CancelledError):
            async for chunk in self.asynchronous():
                yield chunk
        for chunk in body_pieces():
            yield chunk


@pytest.mark.parametrize("kind", ["asynchronous", "stubborn", "sync"])
def test_an_upload_that_is_cancelled_leaves_nothing(domicile: Domicile, kind: str) -> None:
    """The stream is closed, and the bytes that were sent are removed."""
    stalled = Stalled()

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        putting = asyncio.create_task(t.put_file(getattr(stalled, kind)()))
        await wait_for(stalled.sent)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        stalled.go_on.set()

        assert stalled.closed == (kind != "sync")

    run_async(domicile, work)

    assert packs_left(domicile) == []
    assert not domicile.tenant().list()


def test_an_upload_that_is_cancelled_as_it_begins(domicile: Domicile) -> None:
    """Cancelled before the first read, an upload does not leave a waiting thread."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        putting = asyncio.create_task(t.put_file(as_async(body_pieces())))
        await asyncio.sleep(0)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting

    run_async(domicile, work)

    assert packs_left(domicile) == []


# captures, and what is cancelled


def test_a_capture_that_ends_is_complete(domicile: Domicile) -> None:
    """A capture collects chunks; its result is known after the block."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        prompt = await t.put(PROMPT, b"?", subject="u")
        async with t.capture(COMPLETION, derived_from=[prompt.id], metadata={"a": 1}) as sink:
            await sink.write(b"it is ")
            await sink.write(b"done")

        assert sink.result is not None
        assert (sink.result.id, sink.result.stored, sink.failure) == (sink.id, True, None)
        assert len(await t.list(subject="u")) == 2
        return sink.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is done", False)


def test_a_capture_that_fails_is_incomplete(domicile: Domicile) -> None:
    """The block's exception propagates, with a note if storing fails too."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        async def answer(sink: AsyncCapture) -> None:
            async with sink:
                await sink.write(b"it is ")
                raise OSError("upstream")

        sink, lost = t.capture(COMPLETION), t.capture(COMPLETION)
        with pytest.raises(OSError, match="upstream") as caught:
            await answer(sink)
        assert not hasattr(caught.value, "__notes__")
        domicile.take_down("eu-a", "eu-b")
        with pytest.raises(OSError, match="upstream") as caught:
            await answer(lost)
        assert isinstance(lost.failure, TooFewReplicas)
        assert "TooFewReplicas" in caught.value.__notes__[0]
        with pytest.raises(TooFewReplicas):
            async with t.capture(COMPLETION):
                pass
        domicile.bring_back("eu-a", "eu-b")
        return sink.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is ", True)


def test_a_cancelled_request_stores_what_it_has(domicile: Domicile) -> None:
    """The body is stored, marked incomplete, and CancelledError propagates."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        request = Request(t)
        answering = asyncio.create_task(request.answer())
        await request.wrote.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering

        assert request.sink is not None
        assert request.sink.result is not None
        return request.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is ", True)


def test_a_request_that_is_cancelled_again_and_again(domicile: Domicile) -> None:
    """Cancelled at every await, as some frameworks do, it leaves, and storing continues."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        request = Request(t)
        gate = block(domicile, "put")
        answering = asyncio.create_task(request.answer())
        await request.wrote.wait()
        while not answering.done():
            answering.cancel()
            await asyncio.sleep(0)
        gate.open.set()

        assert answering.cancelled()
        return request.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is ", True)


def test_a_request_that_is_cancelled_twice_while_no_thread_is_free(domicile: Domicile) -> None:
    """A cancelled capture that waits for a thread is still stored."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        request = Request(t)
        answering = asyncio.create_task(request.answer())
        await request.wrote.wait()
        gate = block(domicile, "upload")
        large = [asyncio.create_task(t.put(PROMPT, bytes(300_000))) for _ in range(40)]
        await wait_for(gate.reached)
        while not answering.done():
            answering.cancel()
            await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(*large)
        return request.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is ", True)


def test_a_timeout_stays_a_timeout_when_storing_fails(domicile: Domicile) -> None:
    """CancelledError must not be replaced by another error."""
    domicile.tenant()
    domicile.take_down("eu-a", "eu-b")

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        request = Request(t)
        limit = asyncio.timeout(None)
        wrote = asyncio.create_task(request.wrote.wait())
        wrote.add_done_callback(lambda _: limit.reschedule(0))
        with pytest.raises(TimeoutError):
            async with limit:
                await request.answer()

        assert request.sink is not None
        assert isinstance(request.sink.failure, TooFewReplicas)

    run_async(domicile, work)


def test_an_answer_whose_reader_has_gone(domicile: Domicile) -> None:
    """A generator that is closed at its yield, as in a streaming response, stores what it has."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> RecordId:
        sink = t.capture(COMPLETION)

        async def answer() -> AsyncIterator[bytes]:
            async with sink:
                for chunk in (b"it ", b"is ", b"done"):
                    await sink.write(chunk)
                    yield chunk

        async with aclosing(answer()) as chunks:  # type: ignore[type-var]
            await anext(chunks)
            await anext(chunks)
        return sink.id

    assert captured_body(domicile, run_async(domicile, work)) == (b"it is ", True)


def test_a_cancelled_put_becomes_what_it_becomes(domicile: Domicile) -> None:
    """A cancelled put is stored, like its neighbours; repeating the call returns the result."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ids = [await t.new_id(PROMPT) for _ in range(20)]
        gate = block(domicile, "put")
        puts = [asyncio.create_task(t.put(PROMPT, b"a", id=i)) for i in ids]
        await wait_for(gate.reached)
        puts[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await puts[0]
        gate.open.set()
        await asyncio.gather(*puts[1:])
        again = await t.put(PROMPT, b"a", id=ids[0])

        assert again.stored
        assert [(await t.get(i, purpose=SERVE)).body for i in ids] == [b"a"] * 20

    run_async(domicile, work)


def test_a_put_that_is_cancelled_anywhere_is_there_or_not(domicile: Domicile) -> None:
    """The record is stored whole or not at all; repeating the call stores it."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        ids = [await t.new_id(PROMPT) for _ in range(60)]
        for steps, i in enumerate(ids):
            putting = asyncio.create_task(t.put(PROMPT, b"%d" % steps, id=i))
            for _ in range(steps):
                await asyncio.sleep(0)
            putting.cancel()
            await asyncio.wait({putting})
        for n, i in enumerate(ids):
            try:
                body = (await t.get(i, purpose=SERVE)).body
            except NotFound:
                body = b"%d" % n
            assert body == b"%d" % n
        for n, i in enumerate(ids):
            assert (await t.put(PROMPT, b"%d" % n, id=i)).stored

    run_async(domicile, work)


def test_a_put_that_is_cancelled_before_it_began_never_begins(domicile: Domicile) -> None:
    """A put that is cancelled while it waits for a thread does not run."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        i = await t.new_id(PROMPT)
        gate = block(domicile, "upload")
        large = [asyncio.create_task(t.put(PROMPT, bytes(300_000))) for _ in range(16)]
        await wait_for(gate.reached)
        putting = asyncio.create_task(t.put(PROMPT, b"a", id=i))
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.wait({putting})
        gate.open.set()
        await asyncio.gather(*large)

        assert putting.cancelled()
        with pytest.raises(NotFound):
            await t.get(i, purpose=SERVE)

    run_async(domicile, work)
