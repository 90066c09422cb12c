"""An answer that many ask for: it is fetched again only when it is too old."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The answer of ``ask``, at most ``seconds`` old by ``clock``. Thread-safe.

    While it is being fetched, all who ask wait for that one. If ``ask`` raises, so does ``get``,
    and nothing is remembered.
    """

    def __init__(self, ask: Callable[[], T], *, seconds: float, clock: Callable[[], float]) -> None:
        """Ask nothing yet."""
        self._ask, self._seconds, self._clock = ask, seconds, clock
        self._known: tuple[float, T] | None = None
        self._lock = threading.Lock()

    def get(self) -> T:
        """Return the answer."""
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= self._seconds:
                found = self._ask()
                self._known = self._clock(), found
            return self._known[1]
