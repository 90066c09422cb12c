"""Several processes over the same catalogs and backends."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import Connection

from regions.backends import BackendSpec
from regions.load import load_topology
from regions.model import Region, SubProcessor, Topology
from storage.backends.memory import MemoryBackend
from storage.bootstrap import open_store
from storage.catalog.engine import Catalog, _Watch
from storage.client.store import Store
from storage.dependencies import Dependencies
from storage.errors import ProcessorError, ProcessorTimeout
from storage.model import Entropy
from storage.ports import Connector
from storage.processors.manual import ManualConnector
from storage.region import Limits, OpenRegion
from storage.settings import Settings
from storage.testing import FakeClock, FakeProcessor, FaultyBackend
from storage.workers.loop import Duty, Worker, duties
from tests.support.faults.steps import Killed, SteppedBackend, SteppedConnector, Steps, step_catalog
from tests.support.inspect.stored import homes_of
from tests.support.stories.single_thread import Inline, InOrder, ReadInOrder

Mode = Literal["up", "down", "full", "lossy", "late"]
"""``lossy``: writes happen and their answer is lost. ``late``: the same, and they happen later."""

Bother = Literal["up", "down", "pending", "lossy", "late"]
"""The same for a processor; ``pending``: it does not delete yet what it is asked to."""

LANDS_WITHIN = timedelta(minutes=16)


@dataclass
class Process:
    """A running process: its store, and its steps."""

    steps: Steps
    store: Store
    stack: ExitStack

    def duties(self) -> list[Duty]:
        """Return the duties of a worker in this process, in all regions."""
        log = quiet()
        regions = homes_of(self.store).regions.values()
        return [duty for served in regions for duty in duties(served.region, served.keys, log)]

    def work(self) -> None:
        """Do all that a worker can do now."""
        Worker({"": self.duties}, quiet()).run_once()


def quiet() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that discards everything."""
    level = structlog.make_filtering_bound_logger(logging.CRITICAL)
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.ReturnLogger(), wrapper_class=level, processors=[]
    )
    return log


class BorrowedCatalog(Catalog):
    """A process's view of a catalog that shares connections with other processes.

    It makes no new connection, so the guard checks once.
    """

    def __init__(self, lender: Catalog) -> None:
        self.__dict__.update(copy(lender).__dict__)
        self._watch = None

    def watch(
        self, check: Callable[[Connection], None], clock: Callable[[], float], age: float
    ) -> None:
        """Watch this view alone: the shared catalog outlives the process."""
        self._watch = _Watch(check, clock, age)

    def close(self) -> None:
        """Keep the connections: other processes use them."""


class Cluster:
    """The backends, the processors, the clock, and the processes."""

    def __init__(
        self,
        settings: Settings,
        *,
        threads: bool,
        processes: int = 2,
        entropy: Entropy | None = None,
        catalogs: Mapping[str, Catalog] | None = None,
    ) -> None:
        """``catalogs``: whose connections all processes share, and which stay open."""
        self.settings, self.threads, self.entropy = settings, threads, entropy or os.urandom
        self.topology: Topology = load_topology(settings.topology)
        self.clock = FakeClock()
        self.backends: dict[str, FaultyBackend] = {}
        self.modes: dict[str, Mode] = {}
        self.processors: dict[str, FakeProcessor] = {}
        self.troubles: dict[str, Bother] = {}
        self.damaged: set[str] = set()  # keys, also of what has gone since
        self.late_since: datetime | None = None
        self.misplaced: list[str] = []
        self._shared = catalogs is not None
        self._catalogs = catalogs or {
            name: Catalog(name, given.catalog_url.get_secret_value(), connections=2)
            for name, given in settings.regions.items()
        }
        self.processes = [self._start(probing=number == 0) for number in range(processes)]

    def restart(self, number: int) -> Process:
        """Replace a process with a new one. The old one is closed unless it is dead."""
        old = self.processes[number]
        with suppress(Killed):
            old.stack.close()
        self.processes[number] = self._start()
        return self.processes[number]

    def set_mode(self, backend: str, mode: Mode) -> None:
        """Set how the backend behaves from now on."""
        faulty = self.backends[backend]
        self.modes[backend] = mode
        faulty.down, faulty.full, faulty.land_late = mode == "down", mode == "full", mode == "late"
        lost = {"put": faulty.answer_lost, "upload.finish": faulty.answer_lost}
        faulty.fail_after = dict(lost) if mode == "lossy" else {}

    def set_trouble(self, processor: str, trouble: Bother) -> None:
        """Set how the processor behaves from now on."""
        fake = self.processors[processor]
        self.troubles[processor] = trouble
        fake.down, fake.pending, fake.land_late = (
            trouble == "down",
            trouble == "pending",
            trouble == "late",
        )
        lost: dict[str, ProcessorError] = {
            name: ProcessorTimeout(processor) for name in ("deliver", "request_deletion", "confirm")
        }
        fake.fail_after = lost if trouble == "lossy" else {}

    def damage(self, backend: str, key: str, *, flip: bool) -> None:
        """Damage a replica as a disk does: lose it, or flip a bit."""
        self.damaged.add(key)
        held = self.memory(backend)._contents
        versions = held.versions[key]
        data = versions[-1].data
        if not flip or not data:
            del held.versions[key]
            return
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        held.versions[key] = [*versions[:-1], replace(versions[-1], data=changed)]

    def advance(self, by: timedelta, *, lands: bool) -> None:
        """Let time pass. Late writes land before their deadline, or never."""
        self.note_late()
        soon = LANDS_WITHIN - timedelta(seconds=1)  # the example's processors have as long
        if self.late_since is not None and self.clock.now() + by >= self.late_since + soon:
            self.settle_late(lands=lands)
        self.clock.advance(by)

    def note_late(self) -> None:
        """Note since when a write is late."""
        late = [backend.late for backend in self.backends.values()]
        late += [len(processor._late) for processor in self.processors.values()]
        if not any(late):
            self.late_since = None
        elif self.late_since is None:
            self.late_since = self.clock.now()

    def settle_late(self, *, lands: bool) -> None:
        """Let late writes land, or lose them."""
        for backend in self.backends.values():
            if lands:
                backend.land()
            else:
                backend.discard_late()
        for processor in self.processors.values():
            if not lands:
                processor._late.clear()
            processor.land()
        self.late_since = None

    def memory(self, backend: str) -> MemoryBackend:
        """Return what a backend really contains."""
        inner = self.backends[backend].inner
        assert isinstance(inner, MemoryBackend)
        return inner

    def contents(self, region: str) -> Iterator[tuple[str, str, bytes]]:
        """Yield backend, key and bytes of every version and unfinished upload of a region."""
        for spec in self.topology.regions[region].backends:
            held = self.memory(spec.name)._contents
            for key, versions in held.versions.items():
                for version in versions:
                    yield spec.name, key, version.data or b""
            for upload in held.uploads.values():
                yield spec.name, upload.key, bytes(upload.data)

    @contextmanager
    def looking(self, region: str) -> Iterator[Connection]:
        """Begin a transaction that counts as a step of no process."""
        with self._catalogs[region].begin() as connection:
            yield connection

    def active(self, backend: str, on: date) -> bool:
        """Return whether the backend's sub-processor may receive data on that day."""
        regions = self.topology.regions.values()
        spec = next(spec for r in regions for spec in r.backends if spec.name == backend)
        return self.topology.sub_processors[spec.sub_processor].active(on)

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            with suppress(Killed):
                process.stack.close()
        if not self._shared:
            for catalog in self._catalogs.values():
                catalog.close()

    def _catalog(self, region: Region, url: str, connections: int) -> Catalog:
        if self._shared:
            return BorrowedCatalog(self._catalogs[region.name])
        return Catalog(region.name, url, connections=connections)

    def wiring(self, steps: Steps, *, probing: bool) -> Dependencies:
        """Return what a process with these steps is made of."""
        return Dependencies(
            catalog=self._catalog,
            clock=lambda _: self.clock,
            backend=lambda spec, _: SteppedBackend(self._backend(spec), steps, self._wrote),
            connector=lambda company: self._connector(company, steps),
            limits=Limits(linger=0.02 if self.threads else 0),
            unhealthy_seconds=0.0,
            sleep=self.clock.sleep,
            probing=probing,
            entropy=self.entropy,
        )

    def _start(self, *, probing: bool = False) -> Process:
        steps = Steps(busy=True)
        stack = ExitStack()
        dependencies = self.wiring(steps, probing=probing)
        store = stack.enter_context(
            open_store(
                self.settings,
                require=self.settings.regions,
                dependencies=dependencies,
                log=quiet(),
            )
        )
        homes_of(store)._clock = lambda: self.clock.now().timestamp()
        for served in homes_of(store).regions.values():
            self._compare(served.region)
            step_catalog(served.region.catalog, steps)
            if not self.threads:
                for name in ("pool", "readers"):
                    object.__setattr__(served.region, name, Inline())
                postures = ReadInOrder(served.region.postures)
                object.__setattr__(served.region, "postures", postures)
                served.writer._lanes = InOrder(served.writer._lanes)
        steps.busy = False
        return Process(steps, store, stack)

    def _compare(self, region: OpenRegion) -> None:
        """Let a new process read a ledger: until it can, it does nothing at all."""
        first = self.backends[region.region.backends[0].name]
        was, first.down = first.down, False
        try:
            with region.catalog.begin():
                pass
        finally:
            first.down = was

    def _backend(self, spec: BackendSpec) -> FaultyBackend:
        if spec.name not in self.backends:
            memory = MemoryBackend(spec.name, versioned=True, longest_request=LANDS_WITHIN)
            self.backends[spec.name] = FaultyBackend(memory)
            self.modes[spec.name] = "up"
        return self.backends[spec.name]

    def _connector(self, company: SubProcessor, steps: Steps) -> Connector:
        spec = company.connector
        assert spec is not None
        if spec.kind == "manual":
            return ManualConnector(company.name, spec.longest_request)
        if company.name not in self.processors:
            fake = FakeProcessor(company.name, spec.longest_request, self.clock)
            self.processors[company.name] = fake
            self.troubles[company.name] = "up"
        return SteppedConnector(self.processors[company.name], steps)

    def _wrote(self, backend: str, key: str) -> None:
        today = self.clock.now().date()
        if not key.startswith("canary/") and not self.active(backend, today):
            self.misplaced.append(f"{key} to {backend} on {today}, which holds nothing any more")
