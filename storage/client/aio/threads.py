"""The threads in which the store's blocking calls run."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from storage.catalog.engine import check_process
from storage.errors import InvalidRequest

P = ParamSpec("P")
T = TypeVar("T")

_CALLS, _WRITES, _STREAMS = 16, 16, 32


class Threads:
    """Three thread pools, so that a full write buffer delays no read and a slow upload no write.

    A call is submitted when the method returns, before anything is awaited. Cancelling its future
    prevents a call that still waits for a thread; a call that runs continues.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self._process = os.getpid()
        self._calls = ThreadPoolExecutor(_CALLS, "domicile-call")
        self._writes = ThreadPoolExecutor(_WRITES, "domicile-write")
        self._streams = ThreadPoolExecutor(_STREAMS, "domicile-stream")

    def call(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a read, an erasure or an administrative call."""
        return self._run(self._calls, partial(function, *args, **kwargs))

    def write(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a call that may wait for room in the write buffer."""
        return self._run(self._writes, partial(function, *args, **kwargs))

    def stream(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a call that waits for data of the caller."""
        return self._run(self._streams, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Refuse further calls and wait for those in progress. Blocks."""
        for pool in (self._streams, self._writes, self._calls):
            pool.shutdown()

    def _run(self, pool: Executor, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run in a copy of the caller's context, like ``asyncio.to_thread``."""
        check_process(self._process)
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(pool, copy_context().run, work)
        except RuntimeError as error:
            raise InvalidRequest("The store is closed.") from error
