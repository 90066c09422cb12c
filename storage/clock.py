"""A region's time: that of its database, carried on by a steady local counter."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from storage.catalog.engine import Catalog
from storage.errors import CatalogUnavailable
from storage.model import utc

_BOUND = timedelta(milliseconds=50)
_REFRESH = 60.0  # seconds
_TRIES = 20
_TICK = timedelta(milliseconds=1)
_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady() -> float:
    """Return seconds of a counter that also runs while the machine sleeps."""
    return time.clock_gettime(_COUNTER)


class CatalogClock:
    """The clock of the database, never more than ``error`` away. Queries it once a minute."""

    def __init__(
        self,
        catalog: Catalog,
        local: Callable[[], float] = steady,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Query the database at first use. ``wall`` is the machine's clock, since the epoch."""
        self._catalog = catalog
        self._local = local
        self._wall = wall
        self._offset = 0.0
        self._refreshed: float | None = None
        self._refreshing = threading.Lock()

    @property
    def error(self) -> timedelta:
        """The same bound for all processes: ``now`` fails where it cannot be kept."""
        return _BOUND

    def now(self) -> datetime:
        """Return the time in UTC. Raises CatalogUnavailable if the database answers too slowly."""
        moment = self._local()
        if self._stale(moment):
            with self._refreshing:  # one thread queries, the others wait
                moment = self._local()
                if self._stale(moment):
                    self._refresh()
                    moment = self._local()
        return datetime.fromtimestamp(moment + self._offset, UTC)

    def ask(self) -> datetime:
        """Ask the database for its time. Raises CatalogUnavailable if it does not answer."""
        return self._catalog.ask_time()

    def skew(self) -> timedelta:
        """Return how far the machine's clock is off. Raises like ``now``."""
        return abs(timedelta(seconds=self._wall() - self.now().timestamp()))

    def _stale(self, moment: float) -> bool:
        return self._refreshed is None or moment - self._refreshed > _REFRESH

    def _refresh(self) -> None:
        for _ in range(_TRIES):
            offset, error = self._catalog.clock_offset(self._local)
            if error < _BOUND / 2:
                self._offset, self._refreshed = offset, self._local()
                return
        raise CatalogUnavailable(
            f"The catalog of {self._catalog.region} answers too slowly to read its clock.",
            advice="Run Domicile near its database: a round trip must take less than 50 ms.",
        )


class SimulatedClock:
    """A clock for demonstrations and tests: it moves only when it is read or advanced."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = utc(start)
        self.machine_ahead = timedelta()  # how far the machine's clock seems to be off
        self._lock = threading.Lock()

    @property
    def error(self) -> timedelta:
        """Zero: all processes share this clock."""
        return timedelta()

    def now(self) -> datetime:
        """Return the time in UTC, a millisecond later at each call."""
        with self._lock:
            self._now += _TICK
            return self._now

    def ask(self) -> datetime:
        """Return the time in UTC: this clock is the database's."""
        return self.now()

    def skew(self) -> timedelta:
        """Return the absolute value of ``machine_ahead``."""
        return abs(self.machine_ahead)

    def advance(self, by: timedelta) -> None:
        """Move the clock forward. Raises ValueError if ``by`` is negative."""
        if by < timedelta():
            raise ValueError("a clock cannot go back")
        with self._lock:
            self._now += by

    def sleep(self, seconds: float) -> None:
        """Advance the clock, as ``time.sleep`` would."""
        self.advance(timedelta(seconds=max(seconds, 0)))
