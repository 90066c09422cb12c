"""A clock that a test turns: forwards, back, and a little differently for each process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.clock import SimulatedClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock(SimulatedClock):
    """The time of all processes. It goes on by a millisecond each time it is asked."""

    def __init__(self, start: datetime = NOON) -> None:
        """Begins at ``start``."""
        super().__init__(start)
        self._error = timedelta()
        self._due: list[tuple[datetime, Callable[[], None]]] = []
        self._noting = threading.Lock()

    @property
    def error(self) -> timedelta:
        """How far any of the processes' clocks is from this one at most."""
        return self._error

    def now(self) -> datetime:
        """The time in UTC, later at each call."""
        now = super().now()
        self._act(now)
        return now

    def advance(self, by: timedelta) -> None:
        """Let time pass. It never goes back."""
        super().advance(by)
        self._act(self._now)

    def jump(self, by: timedelta) -> None:
        """Somebody sets the clock: forwards, or back."""
        with self._lock:
            self._now += by
        self._act(self._now)

    def at(self, moment: datetime, happen: Callable[[], None]) -> None:
        """Once the clock has come to that moment: at once, if it has already."""
        with self._noting:
            self._due.append((moment, happen))
        self._act(self._now)

    def skewed(self, by: timedelta) -> "SkewedClock":
        """The clock of a process that is ahead by so much. From then on ``error`` admits it."""
        self._error = max(self._error, abs(by))
        return SkewedClock(self, by)

    def _act(self, now: datetime) -> None:
        with self._noting:
            due = [happen for moment, happen in self._due if moment <= now]
            self._due = [later for later in self._due if later[0] > now]
        for happen in due:
            happen()


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one process: that of the others, and a little more or less."""

    clock: FakeClock
    by: timedelta

    @property
    def error(self) -> timedelta:
        """As that of all."""
        return self.clock.error

    def skew(self) -> timedelta:
        """As that of all: it is the region's time that is seen differently, not the machine's."""
        return self.clock.skew()

    def now(self) -> datetime:
        """The time in UTC, as this process sees it."""
        return self.clock.now() + self.by
