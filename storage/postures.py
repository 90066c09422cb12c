"""What this process knows of the postures of a region's backends.

A posture is believed for five minutes, and read again after half of them, while the callers go on.
A caller waits only for a posture that is unknown or too old, and then at most two seconds (ten for
the first one of a process): a bucket that does not answer is closed for what is new, and delays
nothing else.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from regions.backends import BackendSpec
from regions.fields import PostureCheck
from regions.version import VERSION
from storage.backends.health import WatchedBackend
from storage.catalog import postures
from storage.catalog.engine import Catalog
from storage.errors import DomicileError
from storage.model import PlacementReason
from storage.policy import KnownPosture, closed, closed_until, needs_reading
from storage.ports import Clock

_WEIGHED = {"posture_attested", "retires"}  # by each process for itself
_PATIENCE = 2.0  # seconds that a caller waits for a posture
_TIME = 10.0  # seconds for reading one


@dataclass(frozen=True, slots=True)
class _Settled:
    """What is closed from ``since`` until before ``until``, unless a posture is read meanwhile."""

    since: datetime
    until: datetime
    closed: Mapping[str, PlacementReason]


class Postures:
    """The postures of the backends of one region. Thread-safe.

    Call its methods outside of a transaction: they may use the catalog.
    """

    def __init__(
        self,
        catalog: Catalog,
        backends: Mapping[str, WatchedBackend],
        specs: Sequence[BackendSpec],
        clock: Clock,
        pool: Executor,
        *,
        local: Callable[[], float],
        pause: float,
    ) -> None:
        """``local`` gives monotonic seconds; after a failure, ``pause`` of them pass."""
        self._catalog, self._backends, self._clock, self._pool = catalog, backends, clock, pool
        self._attested = {spec.name: spec.posture_attested for spec in specs}
        self._sources = {spec.name: source_of(spec) for spec in specs}
        self._local, self._pause = local, pause
        self._known: dict[str, KnownPosture] = {}
        self._none: set[str] = set()  # backends that have no posture
        self._running: dict[str, tuple[float, Future[None]]] = {}
        self._again: dict[str, float] = {}
        self._settled: _Settled | None = None
        self._lock = threading.Lock()

    def known(self) -> dict[str, KnownPosture | None]:
        """Return the backends that have a posture, with the one that was read last."""
        self._refresh()
        with self._lock:
            return {
                name: self._known.get(name) for name in self._backends if name not in self._none
            }

    def closed(self) -> Mapping[str, PlacementReason]:
        """Return the backends to which nothing new may go now, each with the reason."""
        now, settled = self._clock.now(), self._settled
        if settled is not None and settled.since <= now < settled.until:
            return settled.closed
        self._refresh()
        with self._lock:
            found = self._settle(now)
            self._settled = found
        return found.closed

    def unfit(self) -> Mapping[str, PlacementReason]:
        """Return the closed backends whose posture is known.

        One whose posture is unknown does not answer: that is no reason to place nothing there.
        """
        closed = self.closed()
        unknown = PlacementReason.POSTURE_UNKNOWN
        return (
            {name: why for name, why in closed.items() if why is not unknown} if closed else closed
        )

    def _settle(self, now: datetime) -> _Settled:
        """Decide what is closed now, and until when that stands. The lock is held."""
        reasons, until = dict[str, PlacementReason](), datetime.max.replace(tzinfo=UTC)
        for name in (name for name in self._backends if name not in self._none):
            known = self._known.get(name)
            reason = closed(known, self._attested.get(name), now)
            if reason is not None:
                reasons[name] = reason
            until = min(until, now if known is None else closed_until(known, now))
        return _Settled(now, until, reasons)

    def _refresh(self) -> None:
        """Have old postures read. Wait for those that are too old to be believed."""
        now, local = self._clock.now(), self._local()
        needed, patience = [], 0.0
        with self._lock:
            for name in self._backends:
                known = self._known.get(name)
                if name in self._none or not needs_reading(known, now):
                    continue
                begun, reading = self._start(name, local)
                must_wait = closed(known, None, now) is PlacementReason.POSTURE_UNKNOWN
                limit = _TIME if known is None else _PATIENCE
                if reading is not None and must_wait and local - begun < limit:
                    needed.append(reading)
                    patience = max(patience, limit)
        if needed:
            wait(needed, timeout=patience)

    def _start(self, name: str, local: float) -> tuple[float, Future[None] | None]:
        """Return when the reading that is under way began, and the reading. None: too early."""
        if name in self._running:
            return self._running[name]
        if local < self._again.get(name, local):
            return local, None
        reading = self._pool.submit(self._read, name)
        self._running[name] = local, reading
        return local, reading

    def _read(self, name: str) -> None:
        """Take a posture that another process has just read, or read it."""
        again = self._local() + self._pause
        try:
            known = self._noted(name) or self._fetch(name)
            with self._lock:
                if known.findings:
                    self._known[name] = known
                else:
                    self._none.add(name)
        except DomicileError:
            with self._lock:
                self._again[name] = again
            self._remember(name)
        finally:
            with self._lock:
                self._running.pop(name, None)

    def _remember(self, name: str) -> None:
        """Take what was read before this process began: how old it may be, the caller decides."""
        with self._lock:
            if name in self._known:
                return
        known = self._last(name)
        if known is not None:
            with self._lock:
                self._known.setdefault(name, known)

    def _last(self, name: str) -> KnownPosture | None:
        with self._catalog.begin() as connection:
            known = postures.latest(connection, name, self._sources[name])
        # code of another version may have asked fewer questions
        whole = known is not None and known.findings.keys() >= set(PostureCheck)
        return known if whole else None

    def _noted(self, name: str) -> KnownPosture | None:
        """Return the posture that is in the catalog, if it is young. At first: read the bucket.

        So also where another process could not read something: it may lack a right.
        """
        with self._lock:
            if name not in self._known:
                return None
        known, now = self._last(name), self._clock.now()
        unread = closed(known, self._attested.get(name), now) is PlacementReason.POSTURE_UNREADABLE
        return None if unread or needs_reading(known, now) else known

    def _fetch(self, name: str) -> KnownPosture:
        now = self._clock.now()
        findings = self._backends[name].posture(timeout=_TIME)
        if findings:
            with self._catalog.begin() as connection:
                postures.note(connection, name, findings, now, source=self._sources[name])
        return KnownPosture(findings, now)


def source_of(spec: BackendSpec) -> str:
    """Return a digest of the entry of a backend and the version of the code.

    Processes share what they read only if both are the same.
    """
    entry = spec.model_dump(mode="json", exclude=_WEIGHED)
    stated = {key: sorted(x) if isinstance(x, list) else x for key, x in entry.items()}
    return hashlib.sha256(json.dumps([VERSION, stated], sort_keys=True).encode()).hexdigest()
