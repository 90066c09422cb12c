"""The region's time: that of its database, told between questions by a steady local counter."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from storage.catalog.engine import Catalog
from storage.errors import CatalogUnavailable
from storage.model import utc

_BOUND = timedelta(milliseconds=50)
_ASK_AGAIN = 60.0  # seconds
_TRIES = 20
_TICK = timedelta(milliseconds=1)


def steady() -> float:
    """Seconds that go on evenly, also while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class CatalogClock:
    """Asks the database once a minute. Never more than ``error`` away from it."""

    def __init__(
        self,
        catalog: Catalog,
        local: Callable[[], float] = steady,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Asks at first use. ``wall``: the machine's own idea of the time, since the epoch."""
        self._catalog = catalog
        self._local = local
        self._wall = wall
        self._offset = 0.0
        self._asked: float | None = None
        self._asking = threading.Lock()

    @property
    def error(self) -> timedelta:
        """The same for all processes: whoever cannot keep it has no time."""
        return _BOUND

    def now(self) -> datetime:
        """The time in UTC. Raises CatalogUnavailable if the database answers too slowly to tell."""
        if self._stale():
            with self._asking:  # one asks, and the others wait for its answer
                if self._stale():
                    self._ask()
        return datetime.fromtimestamp(self._local() + self._offset, UTC)

    def skew(self) -> timedelta:
        """Asks the database like ``now``."""
        return abs(timedelta(seconds=self._wall() - self.now().timestamp()))

    def _stale(self) -> bool:
        return self._asked is None or self._local() - self._asked > _ASK_AGAIN

    def _ask(self) -> None:
        for _ in range(_TRIES):
            offset, error = self._catalog.clock_offset(self._local)
            if error < _BOUND / 2:
                self._offset, self._asked = offset, self._local()
                return
        raise CatalogUnavailable(
            f"The catalog of {self._catalog.region} answers too slowly to tell the time.",
            advice="Run Domicile near its database.",
        )


class SimulatedClock:
    """Moves by a millisecond each time it is asked, and by whatever its owner says."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = utc(start)
        self.machine_ahead = timedelta()  # of the machine's own clock; its owner may turn it
        self._lock = threading.Lock()

    @property
    def error(self) -> timedelta:
        """None: everybody shares it."""
        return timedelta()

    def now(self) -> datetime:
        """The time in UTC, later at each call."""
        with self._lock:
            self._now += _TICK
            return self._now

    def skew(self) -> timedelta:
        """As its owner says."""
        return abs(self.machine_ahead)

    def advance(self, by: timedelta) -> None:
        """Let time pass. It never goes back."""
        if by < timedelta():
            raise ValueError("time does not go back")
        with self._lock:
            self._now += by

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` is to a real clock."""
        self.advance(timedelta(seconds=max(seconds, 0)))
