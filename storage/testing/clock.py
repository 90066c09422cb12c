"""A clock that a test sets: forward, back, and slightly different for each process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.clock import SimulatedClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock(SimulatedClock):
    """The clock of all processes. It advances by a millisecond at each call of ``now``."""

    def __init__(self, start: datetime = NOON) -> None:
        """Start at ``start``."""
        super().__init__(start)
        self._error = timedelta()
        self._due: list[tuple[datetime, Callable[[], None]]] = []
        self._noting = threading.Lock()

    @property
    def error(self) -> timedelta:
        """The largest difference between a process's clock and this one."""
        return self._error

    def now(self) -> datetime:
        """Return the time in UTC, later at each call."""
        now = super().now()
        self._act(now)
        return now

    def advance(self, by: timedelta) -> None:
        """Advance the clock."""
        super().advance(by)
        self._act(self._now)

    def jump(self, by: timedelta) -> None:
        """Set the clock forward or back."""
        with self._lock:
            self._now += by
        self._act(self._now)

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        """Call ``action`` once the clock reaches ``moment``; immediately if it has."""
        with self._noting:
            self._due.append((moment, action))
        self._act(self._now)

    def skewed(self, by: timedelta) -> "SkewedClock":
        """Return the clock of a process that is ahead by ``by``; ``error`` includes it."""
        self._error = max(self._error, abs(by))
        return SkewedClock(self, by)

    def _act(self, now: datetime) -> None:
        with self._noting:
            due = [action for moment, action in self._due if moment <= now]
            self._due = [later for later in self._due if later[0] > now]
        for action in due:
            action()


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one process, which differs from the others by ``by``."""

    clock: FakeClock
    by: timedelta

    @property
    def error(self) -> timedelta:
        """As for all processes."""
        return self.clock.error

    def skew(self) -> timedelta:
        """As for all processes: this clock differs in the region's time, not the machine's."""
        return self.clock.skew()

    def now(self) -> datetime:
        """Return the time in UTC, as this process sees it."""
        return self.clock.now() + self.by

    def ask(self) -> datetime:
        """Return the time of the database: that of no process."""
        return self.clock.now()
