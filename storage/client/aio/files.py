"""``Capture`` and ``OpenFile`` for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Self

from storage.client.aio.threads import Threads
from storage.client.files import CHUNK, Capture, OpenFile
from storage.errors import DomicileError, InvalidRequest
from storage.model import PutResult, RecordId, RecordInfo


class AsyncCapture:
    """``Capture`` for asyncio: collects a streamed body, and stores it when the block ends.

    If the block is cancelled, for example because the client disconnected, it first waits until
    what was collected is stored, marked incomplete; then CancelledError propagates. If it is
    cancelled again during that wait, it leaves at once, and storing continues in the background.
    """

    def __init__(self, threads: Threads, begin: Callable[[], Capture]) -> None:
        """Use ``AsyncTenant.capture`` instead."""
        self._threads = threads
        self._begin = begin
        self._begun: Capture | None = None

    @property
    def id(self) -> RecordId:
        """The id of the record. Raises InvalidRequest before the block begins."""
        return self._capture.id

    @property
    def result(self) -> PutResult | None:
        """What ``put`` would have returned; None until the block has ended."""
        return self._capture.result

    @property
    def failure(self) -> DomicileError | None:
        """The error, if the block raised and storing failed too."""
        return self._capture.failure

    async def write(self, chunk: bytes) -> None:
        """See ``Capture.write``."""
        self._capture.write(chunk)

    async def __aenter__(self) -> Self:
        """Return the capture."""
        self._begun = await self._threads.write(self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store the body, marked incomplete if the block raised."""
        capture = self._capture
        try:
            # Submitted before the first await: some frameworks cancel again at every await, and a
            # call that still waits for a thread must not be cancelled with it.
            ending = self._threads.write(capture.end, incomplete=error is not None)
            future = await asyncio.shield(ending)
            capture.result = await asyncio.wrap_future(future)
        except DomicileError as failure:
            capture.fail(failure, error)

    @property
    def _capture(self) -> Capture:
        if self._begun is None:
            raise InvalidRequest("The capture has not begun.", advice="Use it with: async with.")
        return self._begun


class AsyncOpenFile:
    """``OpenFile`` for asyncio. Every read checks again that it is allowed."""

    def __init__(self, threads: Threads, file: OpenFile) -> None:
        """Use ``AsyncTenant.open`` instead."""
        self._threads = threads
        self._file = file
        self.info: RecordInfo = file.info
        self.metadata: Mapping[str, object] = file.metadata

    @property
    def size(self) -> int:
        """The size of the body, in bytes."""
        return self._file.size

    async def read_range(self, start: int, stop: int) -> bytes:
        """See ``OpenFile.read_range``."""
        return await self._threads.call(self._file.read_range, start, stop)

    async def chunks(self, size: int = CHUNK) -> AsyncGenerator[bytes, None]:
        """See ``OpenFile.chunks``."""
        for start, stop in self._file.ranges(size):
            yield await self.read_range(start, stop)
