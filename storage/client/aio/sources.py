"""What a caller gives piece by piece, on its way from the event loop to the store's threads.

Sources that are not asynchronous may block, so they are read in a thread.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import Protocol

from storage.client.aio.threads import Threads
from storage.client.bulk import Source
from storage.model import NewRecord
from storage.packs.stream import read_chunks

AHEAD = 64  # records taken from a source before there is room for them in the window
_PIECE = 1024 * 1024
_GATHER = 0.01  # seconds for which a thread gathers records before it gives what it has


class AsyncFile(Protocol):
    """A binary file whose ``read`` is awaited."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """At most ``size`` bytes; none at the end."""
        ...


Records = Iterable[NewRecord] | AsyncIterable[NewRecord]


class Ahead:
    """Reads records a little ahead of whoever stores them.

    One task reads the whole source. ``changed`` is set when a record has arrived and at the end.
    """

    def __init__(self, records: Records, threads: Threads, changed: asyncio.Event) -> None:
        """Begins to read."""
        self._threads = threads
        self._changed = changed
        self._arrived: deque[NewRecord] = deque()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._read(records))

    @property
    def arrived(self) -> bool:
        """Whether a record is there to be taken."""
        return bool(self._arrived)

    @property
    def over(self) -> bool:
        """Whether no record will ever be there to be taken again."""
        return self._task.done() and not self._arrived

    def take(self, most: int) -> list[NewRecord]:
        """The records that are there, at most so many."""
        taken = [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]
        self._room.set()
        return taken

    def check(self) -> None:
        """Once it is over: raises what the source raised."""
        self._task.result()

    async def close(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # heard, if ``check`` has not raised it

    async def _read(self, records: Records) -> None:
        try:
            if isinstance(records, AsyncIterable):
                async for record in records:
                    await self._arrive([record])
                return
            source, room = Source(records), AHEAD
            while batch := await self._threads.stream(_gather, source, room):
                room = await self._arrive(batch)
            source.check()
        finally:
            self._changed.set()

    async def _arrive(self, records: Sequence[NewRecord]) -> int:
        """Waits until there is room for one more; says for how many."""
        self._arrived.extend(records)
        self._changed.set()
        while len(self._arrived) >= AHEAD:
            self._room.clear()
            await self._room.wait()
        return AHEAD - len(self._arrived)


def _gather(source: Iterator[NewRecord], most: int) -> list[NewRecord]:
    """What the source gives in a moment, and at least one record unless it has ended."""
    until = monotonic() + _GATHER
    batch = []
    for record in islice(source, most):
        batch.append(record)
        if monotonic() >= until:
            break
    return batch


class Feed:
    """A body on its way to the thread that stores it, two chunks at a time."""

    def __init__(self) -> None:
        """For one body."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(2)
        self._stopped = False
        self._chunks: SimpleQueue[bytes | Exception | None] = SimpleQueue()

    async def fill(self, chunks: AsyncIterable[bytes]) -> None:
        """Give all chunks, or the error in their place."""
        try:
            async for chunk in chunks:
                await self._room.acquire()
                if self._stopped:
                    return
                self._chunks.put(chunk)
            self._chunks.put(None)
        except Exception as error:  # noqa: BLE001 - the thread raises it
            self._chunks.put(error)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Nothing more comes, whatever is given: the thread fails if it has not seen the end."""
        self._stopped = True
        self._chunks.put(_stopped())
        self._room.release()

    def __iter__(self) -> Iterator[bytes]:
        """The chunks, for the thread."""
        while (got := self._chunks.get()) is not None:
            if isinstance(got, Exception):
                raise got
            with suppress(RuntimeError):  # the loop is closed: nobody waits for room
                self._loop.call_soon_threadsafe(self._room.release)
            yield got


def async_chunks(stream: object) -> AsyncIterable[bytes] | None:
    """The chunks of an asynchronous file or iterable; None if it is neither."""
    read = getattr(stream, "read", None)
    if inspect.iscoroutinefunction(read):
        return _chunks_of(read)
    return stream if read is None and isinstance(stream, AsyncIterable) else None


async def _chunks_of(read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while chunk := await read(_PIECE):
        yield chunk


def until_stopped(stream: object, stopped: Event) -> Iterator[bytes]:
    """The chunks of a file or iterable that is read in a thread, until its caller has gone.

    Raises InvalidRequest at once if it is neither.
    """
    chunks = read_chunks(stream)

    def guarded() -> Iterator[bytes]:
        for chunk in chunks:
            if stopped.is_set():
                raise _stopped()
            yield chunk

    return guarded()


def _stopped() -> Exception:
    return RuntimeError("whoever gave the stream has stopped waiting for it")
