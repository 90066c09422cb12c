"""The environment of the demonstration: all real except the clock, and removed at the end."""

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

from structlog.typing import FilteringBoundLogger

from regions.model import Topology
from storage.bootstrap import open_homes, worker_of
from storage.catalog import server
from storage.client.homes import Homes
from storage.client.store import Store
from storage.clock import SimulatedClock
from storage.dependencies import Dependencies
from storage.logs import make_logger
from storage.settings import Settings, topology_of

BEGIN: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)

_SIGNALS = signal.SIGTERM, signal.SIGHUP
_ROUNDS = 5  # of a worker, at most


@dataclass(frozen=True, slots=True)
class Environment:
    """An open store on real directories and a real PostgreSQL, with a simulated clock."""

    home: Path
    topology: Topology
    clock: SimulatedClock
    homes: Homes
    store: Store
    log: FilteringBoundLogger

    def run_worker(self) -> None:
        """Run all due duties until nothing is due."""
        worker = worker_of(self.homes, self.log)
        for _ in range(_ROUNDS):
            if not any(worker.run_once().values()):
                return

    def advance_to(self, moment: datetime) -> None:
        """Advance the clock to a time; no worker runs meanwhile."""
        self.clock.advance(moment - self.clock.now())

    def advance(self, **by: float) -> None:
        """Advance the clock, as in ``advance(hours=1)``."""
        self.clock.advance(timedelta(**by))

    def day(self) -> int:
        """Return the days since the start of the demonstration."""
        return (self.clock.now() - BEGIN).days

    def take_down(self, *backends: str) -> None:
        """Unplug the disks of backends: move their directories away."""
        for name in backends:
            root = self._root(name)
            root.rename(root.with_suffix(".unplugged"))

    def bring_back(self, *backends: str) -> None:
        """Plug them in again, with their content."""
        for name in backends:
            root = self._root(name)
            root.with_suffix(".unplugged").rename(root)

    def objects(self) -> dict[str, int]:
        """Return the number of objects on each backend."""
        return {
            name: sum(1 for _ in backend.scan())
            for served in self.homes.regions.values()
            for name, backend in served.region.backends.items()
        }

    def analyze(self) -> None:
        """Run ANALYZE: the planner then keeps samples of rows, which the proof must search too."""
        for served in self.homes.regions.values():
            with served.region.catalog.begin() as connection:
                server.analyze(connection)

    def _root(self, backend: str) -> Path:
        specs = (spec for region in self.topology.regions.values() for spec in region.backends)
        return self.home / next(
            spec.path for spec in specs if spec.kind == "directory" and spec.name == backend
        )


@contextmanager
def open_environment() -> Iterator[Environment]:
    """Open an environment in a temporary directory, whatever the settings of this process are."""
    home = Path(tempfile.mkdtemp(prefix="domicile-demo-"))
    # Not Settings(...): that would read DOMICILE_*, and a simulated clock is not for real data.
    settings = Settings.model_construct(
        home=home, topology=None, regions={}, backends={}, connections=10
    )
    clock = SimulatedClock(BEGIN)
    dependencies = Dependencies(clock=lambda _: clock, unhealthy_seconds=0.0, sleep=clock.sleep)
    try:
        with _exit_on_signals(), (home / "domicile.log").open("w", buffering=1) as stream:
            log = make_logger(stream)
            with (
                open_homes(
                    settings,
                    require=topology_of(settings).regions,
                    dependencies=dependencies,
                    log=log,
                ) as homes,
                Store(homes, sleep=clock.sleep) as store,
            ):
                yield Environment(home, topology_of(settings), clock, homes, store, log)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit, so that PostgreSQL is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _exit) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
