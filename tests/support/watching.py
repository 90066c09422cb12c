"""A worker that is watched: its pages, asked for over HTTP as Prometheus and probes do."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from typing import Any

from storage.bootstrap import open_homes, worker_of
from storage.client.homes import Homes
from storage.client.regions import ServedRegion, ServedRegions
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.clock import steady
from storage.region import OpenRegion
from storage.testing import SERVICE, Domicile
from storage.watching.exporter import Exporter
from storage.watching.worker import READ_EVERY, watched
from storage.workers.loop import Worker
from tests.support.inspect.stored import HOME
from tests.support.promql import Scrape, Vector, evaluate, parse

Change = Callable[[OpenRegion], OpenRegion]


@dataclass
class Watched:
    """A process that serves the home region, works in it, and is watched.

    Each request is later than a reading counts, so each reads the region anew.
    """

    homes: Homes
    worker: Worker
    exporter: Exporter
    port: int
    store: Store
    ticks: list[float]
    scrapes: list[Scrape] = field(default_factory=list)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Return the status and the body of a page."""
        self.ticks.append(self.ticks[-1] + READ_EVERY)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str) -> tuple[int, Any]:
        """Return the status and the document of a probe."""
        status, body = self.get(path)
        return status, json.loads(body)

    def scrape(self) -> Scrape:
        """Scrape once more."""
        status, page = self.get("/metrics")
        assert status == 200, page
        self.scrapes.append(parse(page))
        return self.scrapes[-1]

    def fires(self, expression: str, last: int = 2) -> Vector:
        """Scrape, and return the series for which an alert would fire, by the last scrapes."""
        self.scrape()
        return evaluate(expression, self.scrapes[-last:])

    def tenant(self) -> BoundTenant:
        """Return the tenant of the fixture, in this process."""
        return self.store.tenant("acme-eu").bind(SERVICE)


@contextmanager
def watching(
    domicile: Domicile, change: Change = lambda region: region, *, pause: float = 5.0
) -> Iterator[Watched]:
    """Open a process beside the store of the fixture. ``change`` replaces parts of the region."""
    ticks = [0.0]
    with ExitStack() as stack:
        exporter = Exporter()
        stack.callback(exporter.close)
        dependencies = replace(domicile.dependencies, meters=exporter.instruments)
        opened = stack.enter_context(
            open_homes(domicile.settings, dependencies=dependencies, log=domicile.log)
        )

        def served(_: ExitStack) -> ServedRegion:
            found = opened.served(HOME)
            return replace(found, region=change(found.region))

        regions = ServedRegions({HOME: served}, ExitStack(), clock=steady, seconds=0.0)
        homes = Homes(regions)
        worker = worker_of(homes, domicile.log, exporter.instruments)
        server = stack.enter_context(
            watched(
                ("127.0.0.1", 0),
                homes,
                worker,
                exporter,
                domicile.log,
                pause=pause,
                clock=lambda: ticks[-1],
            )
        )
        store = Store(homes, sleep=domicile.clock.sleep)
        yield Watched(homes, worker, exporter, server.port, store, ticks)
