"""The threads of a process. One that hangs on a backend keeps neither ``close`` nor the process."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from storage.errors import Busy, DomicileError, InvalidRequest, Unavailable

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
        self._idle = 0
        self._waiting: deque[_Call] = deque()
        self._running: set[Future[Any]] = set()
        self._closed = False
        self._changed = threading.Condition()
        self._process = os.getpid()

    def submit(self, call: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> Future[T]:
        """Run a call in a thread. Raises InvalidRequest after ``close``; Busy without a thread."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise InvalidRequest("The store is closed.")
            if self._idle <= len(self._waiting) and len(self._threads) < self._size:
                self._start()
            self._waiting.append((future, lambda: call(*args, **options)))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """Take nothing more, and wait a second for all calls. See ``close``."""
        self.close(monotonic() + _LEAVE)

    def close(self, until: float) -> None:
        """Take nothing more, and wait until all calls have ended, or it is ``until`` (monotonic).

        Calls that have not ended by then fail with Unavailable: one that is under way may still
        take effect.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_done, timeout=max(0.0, until - monotonic()))
            waiting, running = [future for future, _ in self._waiting], list(self._running)
            self._waiting.clear()
        for future in waiting:
            _fail(future, Unavailable("The store was closed before the call began."))
        for future in running:
            _fail(future, Unavailable("The store was closed. The call may still take effect."))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, in the process that made the calls."""
        if os.getpid() == self._process:
            self.shutdown()

    def _is_done(self) -> bool:
        return not self._waiting and not self._running

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise Busy("No thread can be started.", advice="Does the process end?") from None
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._idle -= 1
                if not self._waiting:
                    return
                future, call = self._waiting.popleft()
                self._running.add(future)
            _run(future, call)
            with self._changed:
                self._running.discard(future)
                self._changed.notify_all()
            del future, call


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - its caller gets it
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(result)


def _fail(future: Future[Any], error: DomicileError) -> None:
    """Fail a call that has not ended."""
    with suppress(InvalidStateError):
        future.set_exception(error)
