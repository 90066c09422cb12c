"""Many puts at once: one thread for each tenant submits them, one wake-up brings many answers.

No timer: a put that is alone goes to a thread at once. While the thread submits it, others come.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Final

from storage.client.aio.threads import Threads
from storage.client.writes import Writes
from storage.errors import DomicileError, InvalidRequest, TermsChanged
from storage.model import NewRecord, PutResult
from storage.packs.queue import busy

_TURN: Final = 256  # puts of one tenant that a thread submits before it lets others have their turn
_ROOM: Final = 64 * 1024 * 1024  # bytes that the puts without an answer may take in memory
_BESIDE: Final = 4096  # bytes that a put takes beside its body, its caller's task among them


class Puts:
    """The puts of one store. A tenant's are submitted in the order of the calls, by one thread."""

    def __init__(self, threads: Threads) -> None:
        """Use the threads for writes."""
        self._threads = threads
        self._lock = Lock()
        self._queues: dict[str, _Queue] = {}  # of the tenants for which a thread works
        self._room = _Room()
        self._bell: _Bell | None = None

    async def put(self, writes: Writes, new: NewRecord) -> PutResult:
        """Store a record of a tenant. Cancelled before a thread has begun with it, it is not.

        Raises Busy at once if the puts that have no answer take all the room there is.
        """
        one = _Put(writes, new, self._bell_here(), self._room)
        self._add(one)
        await one.told
        return one.result()

    def _bell_here(self) -> "_Bell":
        loop, bell = asyncio.get_running_loop(), self._bell
        if bell is None or bell.loop is not loop:
            bell = self._bell = _Bell(loop)
        return bell

    def _add(self, one: "_Put") -> None:
        self._threads.check_open()
        self._room.enter(one.weight())
        tenant = one.writes.id
        with self._lock:
            queue = self._queues.get(tenant)
            idle = queue is None
            if queue is None:
                queue = self._queues[tenant] = _Queue(tenant)
            queue.waiting.append(one)
        if idle:
            try:
                self._start(queue)
            except DomicileError as error:
                self._fail(queue, error)

    def _start(self, queue: "_Queue") -> None:
        def ended(call: Future[None]) -> None:
            if (error := call.exception()) is not None:
                self._fail(queue, error)

        self._threads.begin_write(lambda: self._work(queue)).add_done_callback(ended)

    def _work(self, queue: "_Queue") -> None:
        """Submit what waits, in a thread; after a while, let another call go on with it."""
        while True:
            for _ in range(_TURN):
                one = self._next(queue)
                if one is None:
                    return
                if not one.submit():
                    self._send_alone(one)
                queue.current = None
            with suppress(InvalidRequest):  # closed: this call goes on
                self._start(queue)
                return

    def _send_alone(self, one: "_Put") -> None:
        """Send a large body in a thread of its own: others wait behind it in this one."""

        def send() -> None:
            if one.told.cancelled():
                one.fail(CancelledError())
            else:
                one.submit(alone=True)

        def ended(call: Future[None]) -> None:
            if (error := call.exception()) is not None:
                one.fail(error)

        try:
            call = self._threads.begin_write(send)
        except InvalidRequest:  # closed
            send()
        else:
            call.add_done_callback(ended)

    def _next(self, queue: "_Queue") -> "_Put | None":
        with self._lock:
            while queue.waiting:
                one = queue.waiting.popleft()
                if not one.told.cancelled():
                    queue.current = one
                    return one
                one.fail(CancelledError())
            self._queues.pop(queue.tenant, None)
            return None

    def _fail(self, queue: "_Queue", error: BaseException) -> None:
        """Answer all that no thread has submitted: the store was closed meanwhile."""
        with self._lock:
            left = [*queue.waiting] if queue.current is None else [queue.current, *queue.waiting]
            queue.waiting.clear()
            self._queues.pop(queue.tenant, None)
        for one in left:
            one.fail(error)


@dataclass(slots=True, eq=False)
class _Queue:
    """What waits for the thread of a tenant, and what it submits now."""

    tenant: str
    waiting: "deque[_Put]" = field(default_factory=deque)
    current: "_Put | None" = None


class _Room:
    """The memory for puts that have no answer yet. Without a bound, all who come would wait."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken = 0

    def enter(self, weight: int) -> None:
        """Take room for a put, before anything is done with it. Raises Busy if there is none."""
        with self._lock:
            if self._taken and self._taken + weight > _ROOM:
                raise busy()
            self._taken += weight

    def leave(self, weight: int) -> None:
        """Give it back. In any thread."""
        with self._lock:
            self._taken -= weight


class _Put:
    """A put on its way, and its answer."""

    __slots__ = ("_answer", "_bell", "_context", "_new", "_room", "_since", "told", "writes")

    def __init__(self, writes: Writes, new: NewRecord, bell: "_Bell", room: _Room) -> None:
        self.writes, self._new, self._bell, self._room = writes, new, bell, room
        self._context: Context = copy_context()
        self.told = bell.loop.create_future()
        self._since = monotonic()
        self._answer: PutResult | BaseException | None = None

    def submit(self, *, alone: bool = False) -> bool:
        """Submit the record in its caller's context. False: nothing was done, it has to be alone.

        It waits for room in the buffer as if it had begun to when it was called. An error is its
        answer.
        """
        try:
            return self._context.run(self.writes.queue, self._new, self, self._since, alone=alone)
        except BaseException as error:  # noqa: BLE001 - its caller gets it
            self.fail(error)
            return True

    def fail(self, error: BaseException) -> None:
        """Answer, unless an answer was given."""
        with suppress(InvalidStateError):
            self.set_exception(error)

    def weight(self) -> int:
        """Return the bytes that it takes in memory, about."""
        return len(self._new.body) + _BESIDE

    def done(self) -> bool:
        """Return whether the answer is known."""
        return self._answer is not None

    def result(self) -> PutResult:
        """Return the result, or raise the error. Raises InvalidStateError before ``told``."""
        answer = self._answer
        if isinstance(answer, PutResult):
            return answer
        raise answer or InvalidStateError

    def exception(self) -> BaseException | None:
        """Return the error, None if there is none. Raises InvalidStateError before ``told``."""
        answer = self._answer
        if answer is None:
            raise InvalidStateError
        return answer if isinstance(answer, BaseException) else None

    def set_result(self, result: PutResult, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""
        self._set(result)

    def set_exception(self, exception: BaseException, /) -> None:
        """Answer. Raises InvalidStateError if an answer was given."""
        if isinstance(exception, TermsChanged):
            self.writes.forget_terms()  # before its caller tries again
        self._set(exception)

    def _set(self, answer: PutResult | BaseException) -> None:
        if self._answer is not None:
            raise InvalidStateError
        self._answer = answer
        self._room.leave(self.weight())
        self._bell.ring(self)


class _Bell:
    """Wakes an event loop once for all answers that have come by the time that it looks."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._answered: deque[_Put] = deque()
        self._rung = False

    def ring(self, one: _Put) -> None:
        """Have the loop go on with a put. In any thread."""
        self._answered.append(one)
        if not self._rung:
            self._rung = True
            with suppress(RuntimeError):  # the event loop is closed
                self.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._rung = False  # before it looks: who comes from now on rings again
        while self._answered:
            told = self._answered.popleft().told
            if not told.done():  # cancelled
                told.set_result(None)
