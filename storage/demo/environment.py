"""The world of the demonstration: everything is real but the clock, and gone afterwards."""

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import text
from structlog.typing import FilteringBoundLogger

from regions.model import Topology
from storage.bootstrap import Dependencies, open_store, topology_of, worker_of
from storage.client.store import Store
from storage.clock import SimulatedClock
from storage.logs import make_logger
from storage.settings import Settings

BEGIN: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)

_SIGNALS = signal.SIGTERM, signal.SIGHUP
_ROUNDS = 5  # of a worker, until it finds nothing more to do


@dataclass(frozen=True, slots=True)
class World:
    """An opened store on real directories and a real PostgreSQL, with a clock to turn."""

    home: Path
    topology: Topology
    clock: SimulatedClock
    store: Store
    log: FilteringBoundLogger

    def work(self) -> None:
        """What the worker does when it looks in now."""
        worker = worker_of(self.store, self.log)
        for _ in range(_ROUNDS):
            if not any(worker.run_once().values()):
                return

    def pass_until(self, moment: datetime) -> None:
        """Let time pass, while nobody works."""
        self.clock.advance(moment - self.clock.now())

    def pass_time(self, **by: float) -> None:
        """``pass_time(hours=1)``: the same, by a length of time."""
        self.clock.advance(timedelta(**by))

    def day(self) -> int:
        """Days since the demonstration began."""
        return (self.clock.now() - BEGIN).days

    def take_down(self, *backends: str) -> None:
        """Unplug the disk: the directory of a backend is not there any more."""
        for name in backends:
            root = self._root(name)
            root.rename(root.with_suffix(".unplugged"))

    def bring_back(self, *backends: str) -> None:
        """Plug it in again, with what it had."""
        for name in backends:
            root = self._root(name)
            root.with_suffix(".unplugged").rename(root)

    def objects(self) -> dict[str, int]:
        """How many things each backend holds."""
        return {
            name: sum(1 for _ in backend.scan())
            for served in self.store.regions.values()
            for name, backend in served.open.backends.items()
        }

    def analyze(self) -> None:
        """Have PostgreSQL sample all tables for its planner, as it does by itself in time."""
        for served in self.store.regions.values():
            with served.open.catalog.begin() as connection:
                connection.execute(text("ANALYZE"))

    def _root(self, backend: str) -> Path:
        specs = (spec for region in self.topology.regions.values() for spec in region.backends)
        return self.home / next(
            spec.path for spec in specs if spec.kind == "directory" and spec.name == backend
        )


@contextmanager
def open_world() -> Iterator[World]:
    """A new world in a temporary folder, whatever the settings of this process are."""
    home = Path(tempfile.mkdtemp(prefix="domicile-demo-"))
    # Not Settings(...): that would read DOMICILE_*, and a simulated clock is not for real data.
    settings = Settings.model_construct(
        home=home, topology=None, regions={}, backends={}, connections=10
    )
    clock = SimulatedClock(BEGIN)
    dependencies = Dependencies(clock=lambda _: clock, unhealthy_seconds=0.0, pause=clock.sleep)
    try:
        with _tidy_end(), (home / "domicile.log").open("w", buffering=1) as stream:
            log = make_logger(stream)
            with open_store(settings, dependencies=dependencies, log=log) as store:
                yield World(home, topology_of(settings), clock, store, log)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Ended by a signal, or with its terminal: as at an exit, PostgreSQL is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
