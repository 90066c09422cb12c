"""The probes and the metrics of a worker process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from structlog.typing import FilteringBoundLogger

from storage.client.health import store_health
from storage.client.homes import Homes
from storage.errors import SettingsError
from storage.model import StoreHealth
from storage.watching import probes
from storage.watching.probes import Answer
from storage.watching.readings import read_all
from storage.watching.remembered import Remembered
from storage.watching.server import ProbeServer
from storage.workers.loop import Worker

if TYPE_CHECKING:
    from storage.watching.exporter import Exporter

READ_EVERY: Final = 10.0
"""Seconds for which a reading of a region counts: so often the catalog is asked, at most."""
_PROBED_EVERY: Final = 1.0


@contextmanager
def exporting() -> Iterator["Exporter"]:
    """Yield an exporter. Raises SettingsError if the extra is not installed."""
    try:
        from storage.watching.exporter import Exporter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "The packages for metrics are not installed.",
            advice="Run: pip install 'domicile[metrics]'",
        ) from error
    exporter = Exporter()
    try:
        yield exporter
    finally:
        exporter.close()


@dataclass(frozen=True, slots=True)
class Watch:
    """Answers for a worker: its metrics, whether it lives, and what it can serve."""

    page: Callable[[], Answer]
    worker: Worker
    pause: float
    health: Remembered[StoreHealth]

    def respond(self, path: str) -> Answer:
        """Answer a request."""
        if path == "/metrics":
            return self.page()
        if path == "/healthz":
            return probes.alive(self.worker.still(), self.pause)
        if path == "/readyz":
            return probes.ready(self.health.get())
        region = unquote(path.removeprefix("/readyz/"))
        if path.startswith("/readyz/") and region in self.health.get().regions:
            return probes.ready_for(self.health.get().regions[region])
        return probes.not_there()


@contextmanager
def watched(
    address: tuple[str, int],
    homes: Homes,
    worker: Worker,
    exporter: "Exporter",
    log: FilteringBoundLogger,
    *,
    pause: float,
    clock: Callable[[], float] = monotonic,
) -> Iterator[ProbeServer]:
    """Answer probes and scrapes about a worker until the end of the block.

    ``pause``: seconds between its rounds. ``clock`` returns monotonic seconds.
    """
    readings = Remembered(lambda: read_all(homes), seconds=READ_EVERY, clock=clock)
    health = Remembered(lambda: store_health(homes), seconds=_PROBED_EVERY, clock=clock)
    exporter.instruments.observe_regions(readings.get)
    exporter.instruments.observe_worker(worker.still)
    watch = Watch(exporter.page, worker, pause, health)
    with ProbeServer(address, watch.respond, log) as server:
        yield server
