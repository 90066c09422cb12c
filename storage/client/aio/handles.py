"""What is open for a while: a body that is being produced, and a record that is being read."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Self

from storage.client.aio.threads import Threads
from storage.client.capture import Capture
from storage.client.files import CHUNK, OpenFile
from storage.errors import DomicileError, InvalidRequest
from storage.model import PutResult, RecordId, RecordInfo


class AsyncCapture:
    """``Capture`` for asyncio: takes a streamed body, and stores it when the block is left.

    A block that is cancelled, as that of a client who disconnects, waits until what it has is
    stored, marked incomplete; then the CancelledError goes on. If it is cancelled again while it
    waits, it leaves at once, and storing goes on without it.
    """

    def __init__(self, threads: Threads, begin: Callable[[], Capture]) -> None:
        """Made by ``AsyncTenant.capture``."""
        self._threads = threads
        self._begin = begin
        self._begun: Capture | None = None

    @property
    def id(self) -> RecordId:
        """The record's id. Raises InvalidRequest before the block."""
        return self._capture.id

    @property
    def result(self) -> PutResult | None:
        """After the block: what became of it."""
        return self._capture.result

    @property
    def failure(self) -> DomicileError | None:
        """After a block that failed: why what it produced is not stored, if it is not."""
        return self._capture.failure

    async def write(self, chunk: bytes) -> None:
        """Take the next chunk. Raises BodyTooLarge over 16 MiB: what came before is stored."""
        self._capture.write(chunk)

    async def __aenter__(self) -> Self:
        """Where to write."""
        self._begun = await self._threads.write(self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store it, marked incomplete if the block failed."""
        capture = self._capture
        try:
            # begun before the first await: some frameworks cancel again at every one, and a call
            # that still waits for a thread must not be cancelled with it
            ending = self._threads.write(capture.end, incomplete=error is not None)
            future = await asyncio.shield(ending)
            capture.result = await asyncio.wrap_future(future)
        except DomicileError as failure:
            capture.fail(failure, error)

    @property
    def _capture(self) -> Capture:
        if self._begun is None:
            raise InvalidRequest("The capture has not begun.", advice="Use it in async with.")
        return self._begun


class AsyncOpenFile:
    """``OpenFile`` for asyncio. Every read asks again whether it is still allowed."""

    def __init__(self, threads: Threads, file: OpenFile) -> None:
        """Made by ``AsyncTenant.open``."""
        self._threads = threads
        self._file = file
        self.info: RecordInfo = file.info
        self.metadata: Mapping[str, object] = file.metadata

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._file.size

    async def read_range(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive), or up to the end. Raises InvalidRequest too."""
        return await self._threads.call(self._file.read_range, start, stop)

    async def chunks(self, size: int = CHUNK) -> AsyncGenerator[bytes, None]:
        """The whole, in pieces of ``size`` bytes, each read when it is asked for."""
        for start, stop in self._file.ranges(size):
            yield await self.read_range(start, stop)
