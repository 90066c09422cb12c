"""Limit the number of requests per second."""

from collections.abc import Callable


class Rate:
    """Counts requests, and lets one through every ``1 / rate`` seconds.

    ``clock`` gives monotonic seconds, ``sleep`` waits for some. Time that was not used is lost:
    there is no burst after a pause.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """``rate``: requests per second. Infinite: count them, and never wait."""
        self.taken = 0
        self._every, self._clock, self._sleep = 1 / rate, clock, sleep
        self._next = clock()

    def take(self) -> None:
        """Returns when one more request may be sent."""
        wait = self._next - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._next = max(self._next, self._clock()) + self._every
        self.taken += 1
