"""A clock that a test turns."""

import threading
from datetime import UTC, datetime, timedelta

from storage.model import utc

TICK = timedelta(milliseconds=1)


class FakeClock:
    """Moves by a millisecond each time it is asked, and by whatever a test says."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = utc(start)
        self._lock = threading.Lock()

    @property
    def error(self) -> timedelta:
        """None: every process of a test shares it."""
        return timedelta()

    def now(self) -> datetime:
        """The time in UTC, later at each call."""
        with self._lock:
            self._now += TICK
            return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass. It never goes back."""
        if by < timedelta():
            raise ValueError("time does not go back")
        with self._lock:
            self._now += by

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` is to a real clock."""
        self.advance(timedelta(seconds=max(seconds, 0)))
