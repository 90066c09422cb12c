"""Records and bodies on their way from a caller's iterable to the store's threads.

A source that is not async may block, so a thread reads it.
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

AHEAD = 64  # records read from a source before the window has room for them
_PIECE = 1024 * 1024
_GATHER = 0.01  # seconds for which a thread collects records before it returns them


class AsyncFile(Protocol):
    """A binary file with an async ``read``."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """Return at most ``size`` bytes; none at the end."""
        ...


Records = Iterable[NewRecord] | AsyncIterable[NewRecord]


class Ahead:
    """Reads records a little ahead of the writes.

    One task reads the whole source. It sets ``changed`` when a record has arrived and at the end.
    """

    def __init__(self, records: Records, threads: Threads, changed: asyncio.Event) -> None:
        """Start to read."""
        self._threads = threads
        self._changed = changed
        self._arrived: deque[NewRecord] = deque()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._read(records))

    @property
    def arrived(self) -> bool:
        """Whether a record has arrived and not been taken."""
        return bool(self._arrived)

    @property
    def over(self) -> bool:
        """Whether the source has ended and every record has been taken."""
        return self._task.done() and not self._arrived

    def take(self, most: int) -> list[NewRecord]:
        """Take the records that have arrived, at most ``most``."""
        taken = [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]
        self._room.set()
        return taken

    def check(self) -> None:
        """Raise what the source raised. Call it when the source is ``over``."""
        self._task.result()

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # retrieved, so that asyncio does not log it

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
        """Add records and wait for room. Return how many more there is room for."""
        self._arrived.extend(records)
        self._changed.set()
        while len(self._arrived) >= AHEAD:
            self._room.clear()
            await self._room.wait()
        return AHEAD - len(self._arrived)


def _gather(source: Iterator[NewRecord], most: int) -> list[NewRecord]:
    """Read for a moment: at least one record, unless the source has ended."""
    until = monotonic() + _GATHER
    batch = []
    for record in islice(source, most):
        batch.append(record)
        if monotonic() >= until:
            break
    return batch


class Feed:
    """A queue of two chunks from an async source to the thread that stores them."""

    def __init__(self) -> None:
        """Serve one body."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(2)
        self._stopped = False
        self._chunks: SimpleQueue[bytes | Exception | None] = SimpleQueue()

    async def fill(self, chunks: AsyncIterable[bytes]) -> None:
        """Pass on all chunks, or the error of the source."""
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
        """Make the reading thread fail, unless it has seen the end of the body."""
        self._stopped = True
        self._chunks.put(_stopped())
        self._room.release()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks in the thread."""
        while (got := self._chunks.get()) is not None:
            if isinstance(got, Exception):
                raise got
            with suppress(RuntimeError):  # the event loop is closed
                self._loop.call_soon_threadsafe(self._room.release)
            yield got


def async_chunks(stream: object) -> AsyncIterable[bytes] | None:
    """Return the chunks of an async file or iterable; None if it is neither."""
    read = getattr(stream, "read", None)
    if inspect.iscoroutinefunction(read):
        return _chunks_of(read)
    return stream if read is None and isinstance(stream, AsyncIterable) else None


async def _chunks_of(read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while chunk := await read(_PIECE):
        yield chunk


def until_stopped(stream: object, stopped: Event) -> Iterator[bytes]:
    """Return the chunks of a file or iterable that a thread reads, until ``stopped`` is set.

    Raises InvalidRequest at once if ``stream`` is neither.
    """
    chunks = read_chunks(stream)

    def guarded() -> Iterator[bytes]:
        for chunk in chunks:
            if stopped.is_set():
                raise _stopped()
            yield chunk

    return guarded()


def _stopped() -> Exception:
    return RuntimeError("the caller of put_file has stopped waiting for the stream")
