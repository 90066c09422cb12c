"""What a caller waits for: the answer to a write. Each is given once; the first one stands."""

import os
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from threading import Condition
from typing import TYPE_CHECKING, Protocol

from storage.catalog.engine import check_process
from storage.model import PutResult, RecordId

if TYPE_CHECKING:
    from storage.packs.sealed import LaneKey


class Answer(Protocol):
    """The methods of a ``Future`` that are used of the answer to a write.

    In a process that was forked meanwhile no thread would ever give it, so all but the last two
    raise InvalidRequest there.
    """

    def done(self) -> bool:
        """Return whether it is known."""

    def result(self) -> PutResult:
        """Wait for it; return the result, or raise the error."""

    def exception(self) -> BaseException | None:
        """Wait for it; return the error, None if there is none."""

    def set_result(self, result: PutResult, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""


class Pending(Future[PutResult]):
    """The result of a write. It cannot be cancelled: its record shares a pack with other records.

    A process that was forked meanwhile has no thread that would ever give it, so its calls there
    raise InvalidRequest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()
        self.set_running_or_notify_cancel()

    def done(self) -> bool:
        """Return whether the result is known."""
        check_process(self._process)
        return super().done()

    def result(self, timeout: float | None = None) -> PutResult:
        """Wait for the result, or raise its error."""
        check_process(self._process)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the result; return its error, None if it is stored."""
        check_process(self._process)
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Future[PutResult]], object]) -> None:
        """Call ``fn`` when the result is known. asyncio waits by this."""
        check_process(self._process)
        super().add_done_callback(fn)


class Waiter:
    """One caller that waits for many answers, one after the other: a lock for all of them."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.changed = Condition()
        self.awaited: InTurn | None = None
        self.notify: tuple[InTurn, Callable[[], object]] | None = None


class InTurn:
    """One of many answers for which the same caller waits: a fifth of what a ``Future`` costs."""

    __slots__ = ("_answer", "_waiter", "id", "lane")

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self.id: RecordId | None = None  # of what is written, once it is known
        self.lane: LaneKey | None = None  # in which it waits
        self._answer: PutResult | BaseException | None = None

    def done(self) -> bool:
        """Return whether it is known."""
        return self._answer is not None

    def result(self) -> PutResult:
        """Wait for it; return the result, or raise the error."""
        answer = self._wait()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def exception(self) -> BaseException | None:
        """Wait for it; return the error, None if there is none."""
        answer = self._wait()
        return answer if isinstance(answer, BaseException) else None

    def when_done(self, notify: Callable[[], object]) -> None:
        """Call ``notify`` once it is known: at least once, unless another is waited for by then."""
        self._waiter.notify = self, notify
        if self._answer is not None:
            notify()

    def set_result(self, result: PutResult, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""
        self._set(result)

    def set_exception(self, exception: BaseException, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""
        self._set(exception)

    def _set(self, answer: PutResult | BaseException) -> None:
        if self._answer is not None:
            raise InvalidStateError
        self._answer = answer
        # Who waits says so before it looks for the answer, so either it sees it or is seen here.
        waiter = self._waiter
        if waiter.awaited is self:
            with waiter.changed:
                waiter.changed.notify_all()
        noted = waiter.notify
        if noted is not None and noted[0] is self:
            noted[1]()

    def _wait(self) -> PutResult | BaseException:
        waiter, answer = self._waiter, self._answer
        if answer is None:
            check_process(waiter.process)
            with waiter.changed:
                waiter.awaited = self
                while (answer := self._answer) is None:
                    waiter.changed.wait()
                waiter.awaited = None
        return answer
