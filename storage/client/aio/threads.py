"""The threads in which the store's blocking calls run."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import ParamSpec, TypeVar

from storage.catalog.engine import check_process
from storage.pool import Pool

P = ParamSpec("P")
T = TypeVar("T")

_CALLS, _WRITES, _STREAMS = 16, 16, 32


class Threads:
    """Three thread pools, so that a full write buffer delays no read and a slow upload no write.

    A call is submitted when the method returns, before anything is awaited. Cancelling its future
    prevents a call that still waits for a thread; a call that runs continues.
    """

    def __init__(self, seconds: float) -> None:
        """Start no thread yet. ``seconds``: how long ``close`` waits at most."""
        self._process = os.getpid()
        self._seconds = seconds
        self._calls = Pool(_CALLS, "domicile-call")
        self._writes = Pool(_WRITES, "domicile-write")
        self._streams = Pool(_STREAMS, "domicile-stream")

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

    def begin_write(self, work: Callable[[], T]) -> Future[T]:
        """Run a call that may wait for room, in no caller's context. After ``check_open``."""
        return self._writes.submit(work)

    def check_open(self) -> None:
        """Raise InvalidRequest if no write can begin any more: closed, or forked."""
        check_process(self._process)
        self._writes.check_open()

    def stream(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a call that waits for data of the caller."""
        return self._run(self._streams, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Refuse further calls and wait for those in progress. Blocks.

        Calls that have not ended in time fail with Unavailable.
        """
        until = monotonic() + self._seconds
        for pool in (self._streams, self._writes, self._calls):
            pool.close(until)

    def _run(self, pool: Pool, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run in a copy of the caller's context, like ``asyncio.to_thread``."""
        check_process(self._process)
        return asyncio.get_running_loop().run_in_executor(pool, copy_context().run, work)
