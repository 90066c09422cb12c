"""The threads in which the store's calls wait, so that the event loop does not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from storage.errors import InvalidRequest

P = ParamSpec("P")
T = TypeVar("T")

_CALLS, _WRITES, _STREAMS = 16, 16, 32


class Threads:
    """Three pools: a full write buffer keeps no read waiting, and a slow upload nobody else.

    A call has begun when the method returns, before anything is awaited. Cancelling its future
    keeps it from running if it still waits for a thread; one that runs goes on.
    """

    def __init__(self) -> None:
        """No thread is started before it is needed."""
        self._calls = ThreadPoolExecutor(_CALLS, "domicile-call")
        self._writes = ThreadPoolExecutor(_WRITES, "domicile-write")
        self._streams = ThreadPoolExecutor(_STREAMS, "domicile-stream")

    def call(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run what reads, erases or administers."""
        return _run(self._calls, partial(function, *args, **kwargs))

    def write(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run what may wait for room in the write buffer."""
        return _run(self._writes, partial(function, *args, **kwargs))

    def stream(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run what waits for a caller's own data."""
        return _run(self._streams, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Take no more calls, and wait for those that there are. Blocks."""
        for pool in (self._streams, self._writes, self._calls):
            pool.shutdown()


def _run(pool: Executor, work: Callable[[], T]) -> asyncio.Future[T]:
    """In the caller's context, as ``asyncio.to_thread`` does it."""
    loop = asyncio.get_running_loop()
    try:
        return loop.run_in_executor(pool, copy_context().run, work)
    except RuntimeError as error:
        raise InvalidRequest("The store is closed.") from error
