"""Run everything in one thread, so that the same seed gives the same run."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from copy import copy
from typing import ParamSpec, TypeVar

from storage.model import PutResult
from storage.packs.answers import Answer
from storage.packs.queue import Lanes
from storage.packs.sealed import SealedRecord
from storage.policy import needs_reading
from storage.postures import Postures

P = ParamSpec("P")
T = TypeVar("T")


class Inline(Executor):
    """An executor that runs each call at once."""

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as any executor does
            future.set_exception(error)
        return future


class Later(Executor):
    """An executor that runs its calls when a caller waits for one."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.append(lambda: call(*args, **kwargs))
        return future

    def run(self) -> None:
        """Run all calls now."""
        while self._waiting:
            self._waiting.pop(0)()


class Awaited(Future[PutResult]):
    """The result of a put. Asking for it runs the flush."""

    def __init__(self, inner: Answer, later: Later) -> None:
        super().__init__()
        self._inner, self._later = inner, later
        self.id, self.lane = getattr(inner, "id", None), getattr(inner, "lane", None)  # in turn

    def done(self) -> bool:
        return self._inner.done()

    def result(self, timeout: float | None = None) -> PutResult:
        self._later.run()
        return self._inner.result()

    def add_done_callback(self, fn: Callable[[Future[PutResult]], object]) -> None:
        assert isinstance(self._inner, Future)
        self._inner.add_done_callback(fn)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._later.run()
        return self._inner.exception()


class InOrder(Lanes):
    """Lanes whose flushes run in the waiting caller's thread."""

    def __init__(self, lanes: Lanes) -> None:
        self._later = Later()
        super().__init__(lanes._limits, lanes._flush, self._later)

    def submit(self, item: SealedRecord, *, bulk: bool, wait: float) -> Answer:
        return Awaited(super().submit(item, bulk=bulk, wait=wait), self._later)

    def close(self, until: float) -> None:
        self._later.run()
        super().close(until)


class ReadInOrder(Postures):
    """Postures that the caller reads itself, one after the other."""

    def __init__(self, postures: Postures) -> None:
        self.__dict__.update(copy(postures).__dict__)

    def _refresh(self) -> None:
        now = self._clock.now()
        for name in self._backends:
            if name not in self._none and needs_reading(self._known.get(name), now):
                self._read(name)
