"""The threads of a process. One that hangs on a backend keeps neither ``close`` nor the process."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from storage.errors import Busy, InvalidRequest, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_LEAVE = 1.0  # seconds for calls that are under way when the block is left

_Call = tuple[Future[Any], Callable[[], Any]]


class Pool(Executor):
    """At most ``size`` daemon threads. A process that was forked from this one has none of them."""

    def __init__(self, size: int, name: str) -> None:
        """Start a thread when a call needs one."""
        self._size, self._name = size, name
        self._threads: list[threading.Thread] = []
        self._free = 0  # threads, less the calls that are waiting or running
        self._waiting: SimpleQueue[_Call | None] = SimpleQueue()
        self._calls: set[Future[Any]] = set()  # that have not ended
        self._closed = self._over = False
        self._changed = threading.Condition(threading.Lock())
        self._process = os.getpid()

    def submit(self, call: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> Future[T]:
        """Run a call in a thread. Raises InvalidRequest after ``close``; Busy without a thread."""
        future: Future[T] = Future()
        with self._changed:
            self.check_open()
            if self._free <= 0 and len(self._threads) < self._size:
                self._start()
            self._free -= 1
            self._calls.add(future)
            self._waiting.put((future, lambda: call(*args, **options)))
        return future

    def check_open(self) -> None:
        """Raise InvalidRequest after ``close``."""
        if self._closed:
            raise InvalidRequest("The store is closed.")

    def close(self, until: float) -> None:
        """Take nothing more, and wait until all calls have ended, or it is ``until`` (monotonic).

        Calls that have not ended by then fail with Unavailable: one that is under way may still
        take effect.
        """
        with self._changed:
            self._closed = True
            for _ in self._threads:
                self._waiting.put(None)
            self._changed.wait_for(lambda: not self._calls, timeout=max(0.0, until - monotonic()))
            self._over = True
            left = {future: future.running() for future in self._calls}
        for future, begun in left.items():
            effect = " The call may still take effect." if begun else ""
            with suppress(InvalidStateError):
                future.set_exception(Unavailable(f"The store was closed.{effect}"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, in the process that made the calls."""
        if os.getpid() == self._process:
            self.close(monotonic() + _LEAVE)

    def _start(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise Busy("No thread can be started.", advice="Does the process end?") from None
        else:
            self._threads.append(thread)
            self._free += 1

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            future, work = call
            with self._changed:
                begun = not self._over and future.set_running_or_notify_cancel()
            if begun:
                _run(future, work)
            with self._changed:
                self._free += 1
                self._calls.discard(future)
                if self._closed:
                    self._changed.notify_all()
            del future, call, work


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    """Give the answer of a call, unless ``close`` gave one."""
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - its caller gets it
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(result)
