"""Many puts at once: one thread submits what waits, and one wake-up brings many answers.

A lone put goes to a thread at once, and more arrive while the thread submits it. More threads would
only contend for the interpreter, so they start only while puts wait for something else.
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
from storage.errors import DomicileError, TermsChanged
from storage.model import NewRecord, PutResult
from storage.packs.queue import busy

_TURN: Final = 256  # puts of one tenant that a thread submits before others have their turn
_WORKERS: Final = 16  # threads that submit puts
_LOOK: Final = 0.02  # seconds between checks whether they are enough
_SLOW: Final = 10  # if fewer puts were started by then, they wait for more than the interpreter
_ROOM: Final = 128 * 1024 * 1024  # bytes for puts without an answer: half for one tenant alone
_BESIDE: Final = 4096  # bytes that a put takes beside its body, its caller's task among them


class Puts:
    """The puts of one store. A tenant's are submitted in the order of the calls."""

    def __init__(self, threads: Threads) -> None:
        """Use the threads for writes."""
        self._threads = threads
        self._lock = Lock()
        self._queues: dict[str, _Queue] = {}  # of the tenants of which puts wait or are submitted
        self._ready: deque[_Queue] = deque()  # those that no thread works for
        self._workers = 0
        self._started = 0  # puts that threads have taken up
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
        tenant = one.writes.id
        self._room.enter(tenant, one.weight())
        with self._lock:
            queue = self._queues.get(tenant)
            fresh = queue is None
            if queue is None:
                queue = self._queues[tenant] = _Queue(tenant)
                self._ready.append(queue)
            queue.waiting.append(one)
            begins = not self._workers
            self._workers += begins
        if begins:
            self._begin()
        elif fresh and not one.bell.watched:
            one.bell.watched = True
            self._look_later(one.bell)

    def _look_later(self, bell: "_Bell") -> None:
        bell.loop.call_later(_LOOK, self._look, bell, self._started)

    def _look(self, bell: "_Bell", started: int) -> None:
        """Begin another thread if tenants wait, because puts of others take long to submit."""
        with self._lock:
            slow = self._started - started < _SLOW
            begins = bool(self._ready) and slow and self._workers < _WORKERS
            self._workers += begins
            bell.watched = bool(self._ready)
        if begins:
            self._begin()
        if bell.watched:
            self._look_later(bell)

    def _begin(self) -> None:
        """Have one more thread submit puts."""

        def ended(call: Future[None]) -> None:
            if (error := call.exception()) is not None:
                self._fail(error)

        try:
            self._threads.begin_write(self._work).add_done_callback(ended)
        except DomicileError as error:
            with self._lock:
                self._workers -= 1
                alone = not self._workers
            if alone:
                self._fail(error)

    def _work(self) -> None:
        """Submit what waits, of one tenant after the other, until nothing does. In a thread."""
        while (queue := self._turn()) is not None:
            for _ in range(_TURN):
                one = self._next(queue)
                if one is None:
                    break
                if not one.submit():
                    self._send_alone(one)
                queue.current = None
            else:
                with self._lock:
                    self._ready.append(queue)

    def _turn(self) -> "_Queue | None":
        with self._lock:
            if self._ready:
                return self._ready.popleft()
            self._workers -= 1  # under the lock: who comes from now on begins another
            return None

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
        except DomicileError:  # closed, or no thread can be started
            send()
        else:
            call.add_done_callback(ended)

    def _next(self, queue: "_Queue") -> "_Put | None":
        with self._lock:
            while queue.waiting:
                one = queue.waiting.popleft()
                self._started += 1
                if not one.told.cancelled():
                    queue.current = one
                    return one
                one.fail(CancelledError())
            self._queues.pop(queue.tenant, None)
            return None

    def _fail(self, error: BaseException) -> None:
        """Answer all that no thread has submitted: the store was closed meanwhile."""
        with self._lock:
            left = [one for queue in self._queues.values() for one in queue.take()]
            self._queues.clear()
            self._ready.clear()
        for one in left:
            one.fail(error)


@dataclass(slots=True, eq=False)
class _Queue:
    """What waits of a tenant, and what a thread submits of it now."""

    tenant: str
    waiting: "deque[_Put]" = field(default_factory=deque)
    current: "_Put | None" = None

    def take(self) -> "list[_Put]":
        """Remove and return what waits, and return what is submitted now."""
        some = [*self.waiting] if self.current is None else [self.current, *self.waiting]
        self.waiting.clear()
        return some


class _Room:
    """A bound on the memory of puts that have no answer yet.

    A tenant may use as much as it leaves free: half if it is alone, a third each if there are two.
    So a tenant whose puts hang leaves room for others.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._free = _ROOM
        self._taken: dict[str, int] = {}

    def enter(self, tenant: str, weight: int) -> None:
        """Take room for a put, before anything is done with it. Raises Busy if there is none."""
        with self._lock:
            taken = self._taken.get(tenant, 0)
            if self._taken and taken + weight > self._free - weight:
                raise busy()
            self._taken[tenant] = taken + weight
            self._free -= weight

    def leave(self, tenant: str, weight: int) -> None:
        """Give it back. In any thread."""
        with self._lock:
            self._free += weight
            self._taken[tenant] -= weight
            if not self._taken[tenant]:
                del self._taken[tenant]


class _Put:
    """A put on its way, and its answer."""

    __slots__ = ("_answer", "_context", "_new", "_room", "_since", "bell", "told", "writes")

    def __init__(self, writes: Writes, new: NewRecord, bell: "_Bell", room: _Room) -> None:
        self.writes, self._new, self.bell, self._room = writes, new, bell, room
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
        self._room.leave(self.writes.id, self.weight())
        self.writes.note_answer(self._since, answer if isinstance(answer, BaseException) else None)
        self.bell.ring(self)


class _Bell:
    """Wakes an event loop once for all answers that have come by the time that it looks."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._answered: deque[_Put] = deque()
        self._rung = False
        self.watched = False  # a look at what waits is due

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
