"""Several processes over the same catalogs and backends, interrupted where a test says.

Every call of a backend and both ends of every transaction are moments. At one of them another
process may do something, or the process itself may end: nothing it does afterwards has any effect.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Literal, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection

from regions.load import load_topology
from regions.model import BackendSpec, Topology
from storage.backends.memory import MemoryBackend
from storage.backends.uploads import AbortingUpload
from storage.bootstrap import Means, open_store
from storage.catalog.engine import Catalog
from storage.errors import BackendError
from storage.ports import Trace, TraceKind, Upload
from storage.region import Limits
from storage.settings import Settings
from storage.store import Store
from storage.testing import FakeClock, FaultyBackend
from storage.workers.loop import Duty, Worker, duties

P = ParamSpec("P")
T = TypeVar("T")

Mode = Literal["up", "down", "full", "lossy", "late"]
"""``lossy``: writes happen and their answer is lost. ``late``: the same, and they happen later."""

LANDS_WITHIN = timedelta(minutes=16)


class Killed(BaseException):
    """The process has ended."""


class Inline(Executor):
    """Does at once what it is given: the same run twice is the same run."""

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as any executor does
            future.set_exception(error)
        return future


@dataclass
class Life:
    """The moments of one process, and what happens at some of them."""

    due: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    dead: bool = False
    busy: bool = False  # somebody else is at it: those moments are not ours
    seen: int = 0
    written: list[tuple[str, str]] = field(default_factory=list)  # backend and key, in this call
    lock: Lock = field(default_factory=Lock)

    def moment(self) -> None:
        """Do what is due. Raises Killed if that was the end of the process."""
        if self.dead:
            raise Killed
        if self.busy:
            return
        with self.lock:
            self.seen += 1
            now = [happen for at, happen in self.due if at <= self.seen]
            self.due = [later for later in self.due if later[0] > self.seen]
            self.busy = bool(now)
        for happen in now:
            happen()
        if now:
            self.busy = False
        if self.dead:
            raise Killed

    def end(self) -> None:
        """Kill it."""
        self.dead = True


class Tapped:
    """A backend as one process sees it."""

    def __init__(self, inner: FaultyBackend, life: Life, wrote: Callable[[str, str], None]) -> None:
        self.inner, self._life, self._wrote = inner, life, wrote

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def sees(self) -> frozenset[TraceKind]:
        return self.inner.sees

    @property
    def longest_request(self) -> timedelta:
        return self.inner.longest_request

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        with self.write(key):
            self.inner.put(key, data, timeout=timeout, urgent=urgent)

    def upload(self, key: str, *, timeout: float) -> "TappedUpload":
        with self.write(key):
            return TappedUpload(self, key, self.inner.upload(key, timeout=timeout))

    def get(
        self, key: str, start: int = 0, stop: int | None = None, *, version: str | None = None
    ) -> bytes:
        with self.around():
            return self.inner.get(key, start, stop, version=version)

    def purge(self, key: str) -> None:
        with self.around():
            self.inner.purge(key)

    def traces(self, key: str) -> list[Trace]:
        with self.around():
            return self.inner.traces(key)

    def scan(self, prefix: str = "") -> Iterator[Trace]:
        yield from self.inner.scan(prefix)

    def probe(self, key: str) -> None:
        self.inner.probe(key)

    def close(self) -> None:
        """It outlives the process."""

    @contextmanager
    def around(self) -> Iterator[None]:
        """A moment before and a moment after."""
        self._life.moment()
        yield
        self._life.moment()

    @contextmanager
    def write(self, key: str) -> Iterator[None]:
        """The same around something that writes."""
        self._life.moment()
        self._wrote(self.name, key)
        self._life.written.append((self.name, key))
        yield
        self._life.moment()


class TappedUpload(AbortingUpload):
    """An upload as one process sees it."""

    def __init__(self, backend: Tapped, key: str, inner: Upload) -> None:
        super().__init__()
        self._backend, self._key, self._inner = backend, key, inner

    def write(self, data: bytes) -> None:
        with self._backend.write(self._key):
            self._inner.write(data)

    def finish(self) -> None:
        with self._backend.write(self._key):
            self._inner.finish()
        self.finished = True

    def abort(self) -> None:
        with self._backend.around():
            self._inner.abort()


@dataclass
class Process:
    """A running process: its store, and how it lives."""

    life: Life
    store: Store
    stack: ExitStack

    def duties(self) -> list[Duty]:
        """What a worker in this process does, in all regions."""
        log = quiet()
        regions = self.store.regions.values()
        return [duty for served in regions for duty in duties(served.open, served.keys, log)]

    def work(self) -> None:
        """Everything that a worker can do now."""
        Worker(self.duties(), quiet()).run_once()


def quiet() -> structlog.typing.FilteringBoundLogger:
    """A log that nobody reads."""
    level = structlog.make_filtering_bound_logger(logging.CRITICAL)
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.ReturnLogger(), wrapper_class=level, processors=[]
    )
    return log


class World:
    """The backends, the clock, and the processes. ``wrote`` hears of every write to a backend."""

    def __init__(self, settings: Settings, *, threads: bool) -> None:
        self.settings, self.threads = settings, threads
        self.topology: Topology = load_topology(settings.topology)
        self.clock = FakeClock()
        self.backends: dict[str, FaultyBackend] = {}
        self.modes: dict[str, Mode] = {}
        self.late_since: datetime | None = None
        self.misplaced: list[str] = []
        self.processes = [self._start(probing=True), self._start()]

    def restart(self, number: int) -> Process:
        """A new process in the place of one, which ends in peace if it has not been killed."""
        old = self.processes[number]
        with suppress(Killed):
            old.stack.close()
        self.processes[number] = self._start()
        return self.processes[number]

    def set_mode(self, backend: str, mode: Mode) -> None:
        """From now on the backend behaves so."""
        faulty = self.backends[backend]
        self.modes[backend] = mode
        faulty.down, faulty.full, faulty.land_late = mode == "down", mode == "full", mode == "late"
        lost = {"put": faulty.lost, "upload.finish": faulty.lost}
        faulty.fail_after = dict(lost) if mode == "lossy" else {}

    def advance(self, by: timedelta, *, lands: bool) -> None:
        """Time passes. What is still under way lands before it is too late, or never."""
        self.note_late()
        soon = LANDS_WITHIN - timedelta(seconds=1)
        if self.late_since is not None and self.clock.now() + by >= self.late_since + soon:
            self.settle_late(lands=lands)
        self.clock.advance(by)

    def note_late(self) -> None:
        """Remember since when something is under way."""
        if not any(backend._late for backend in self.backends.values()):
            self.late_since = None
        elif self.late_since is None:
            self.late_since = self.clock.now()

    def settle_late(self, *, lands: bool) -> None:
        """What is under way arrives, or is lost."""
        for backend in self.backends.values():
            late, backend._late = backend._late, []
            for happen in late if lands else []:
                with suppress(BackendError):  # a finished upload may have been purged before
                    happen()
        self.late_since = None

    def memory(self, backend: str) -> MemoryBackend:
        """What a backend really holds."""
        inner = self.backends[backend].inner
        assert isinstance(inner, MemoryBackend)
        return inner

    def contents(self, region: str) -> Iterator[tuple[str, str, bytes]]:
        """Backend, key and bytes of every version and unfinished upload of a region."""
        for spec in self.topology.regions[region].backends:
            held = self.memory(spec.name)._contents
            for key, versions in held.versions.items():
                for version in versions:
                    yield spec.name, key, version.data or b""
            for upload in held.uploads.values():
                yield spec.name, upload.key, bytes(upload.data)

    def catalog(self, region: str) -> Catalog:
        """A region's catalog, for looking."""
        return self.processes[0].store.served(region).open.catalog

    @contextmanager
    def looking(self, region: str) -> Iterator[Connection]:
        """A transaction that is no moment of anybody."""
        with self.catalog(region).engine.begin() as connection:
            yield connection

    def active(self, backend: str, on: date) -> bool:
        """Whether the backend's sub-processor may be given anything on that day."""
        regions = self.topology.regions.values()
        spec = next(spec for r in regions for spec in r.backends if spec.name == backend)
        return self.topology.sub_processors[spec.sub_processor].active(on)

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            with suppress(Killed):
                process.stack.close()

    def _start(self, *, probing: bool = False) -> Process:
        life = Life(busy=True)
        stack = ExitStack()
        means = Means(
            clock=lambda _: self.clock,
            backend=lambda spec, _: Tapped(self._backend(spec), life, self._wrote),
            limits=Limits(linger=0.02),
            suspect=0.0,
            pause=self.clock.sleep,
            probing=probing,
        )
        store = stack.enter_context(open_store(self.settings, means=means, log=quiet()))
        for served in store.regions.values():
            _tap(served.open.catalog, life)
            if not self.threads:
                object.__setattr__(served.open, "pool", Inline())
        life.busy = False
        return Process(life, store, stack)

    def _backend(self, spec: BackendSpec) -> FaultyBackend:
        if spec.name not in self.backends:
            memory = MemoryBackend(spec.name, versioned=True, longest_request=LANDS_WITHIN)
            self.backends[spec.name] = FaultyBackend(memory)
            self.modes[spec.name] = "up"
        return self.backends[spec.name]

    def _wrote(self, backend: str, key: str) -> None:
        today = self.clock.now().date()
        if not key.startswith("canary/") and not self.active(backend, today):
            self.misplaced.append(f"{key} to {backend} on {today}, which holds nothing any more")


def _tap(catalog: Catalog, life: Life) -> None:
    """Make both ends of every transaction a moment."""
    begin = catalog.begin

    @contextmanager
    def tapped() -> Iterator[Connection]:
        life.moment()
        with begin() as connection:
            yield connection
        life.moment()

    catalog.begin = tapped  # type: ignore[method-assign]


def small_topology(data: Path, directory: Path, *, changes: bool) -> Path:
    """The shipped topology with shorter times, so that few days pass until all has happened.

    ``changes``: the EU has a third backend, and the contract of the first ends on 4 March; the US
    wants two replicas before a write is acknowledged.
    """
    for source in data.rglob("*.toml"):
        target = directory / source.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text()
        for old, new in _SHORTER:
            text = text.replace(old, new)
        old, new = _CHANGES.get(source.name, ("", "")) if changes else ("", "")
        target.write_text(text.replace(old, new, 1))
    return directory


_SHORTER = (
    ("retention_days = 30", "retention_days = 7"),
    ("ceiling_days = 30", "ceiling_days = 7"),
    ("compaction_hours = 72", "compaction_hours = 5"),
)
_BACKEND = 'kind = "directory"\nsub_processor = "quellwerk"\npath = "backends/eu-c"\n'
_CHANGES = {
    "sub_processors.toml": ("since = 2025-01-01", "since = 2025-01-01\nuntil = 2026-03-04"),
    "us-east-1.toml": ("required = 1", "required = 2"),
    "eu-central-1.toml": (
        'path = "backends/eu-b"\n',
        f'path = "backends/eu-b"\n\n[[backends]]\nname = "eu-c"\n{_BACKEND}',
    ),
}


def wanted(topology: Topology, region: str, on: date) -> Iterable[str]:
    """The backends that a record of the region goes to on that day."""
    home = topology.regions[region]
    lawful = [b.name for b in home.backends if topology.sub_processors[b.sub_processor].active(on)]
    return lawful[: home.replicas]
