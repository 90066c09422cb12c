"""A backend with faults: each call passes through the faults that a test injected.

Ready-made faults are in ``storage.testing.failures``.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TypeVar, cast
from uuid import UUID

from storage.backends.uploads import AbortingUpload
from storage.errors import BackendError, BackendFull, BackendTimeout, BackendUnavailable
from storage.model import Posture
from storage.ports import Backend, ItemKind, ObjectLock, StoredItem, Upload

T = TypeVar("T")

_TIMEOUT = 60.0  # seconds until a closed gate fails the test
_WRITES = ("put", "plant", "upload.finish")
_FILLS = (*_WRITES, "upload.write")


@dataclass(frozen=True, slots=True)
class Gate:
    """Calls wait at it until ``open`` is set. The first call sets ``reached``."""

    reached: Event = field(default_factory=Event)
    open: Event = field(default_factory=Event)

    def wait(self) -> None:
        """Wait. Raises AssertionError if the gate is not opened within a minute."""
        self.reached.set()
        if not self.open.wait(_TIMEOUT):
            raise AssertionError("the gate was not opened within a minute")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a backend. ``proceed`` lets it take effect, and returns its result.

    ``data`` is the argument of a put or of the write of an upload, ``start`` and ``stop`` those of
    a get, ``after`` that of a scan. ``inner`` is the backend without faults.
    """

    backend: "FaultyBackend"
    method: str
    key: str  # for ``scan`` the prefix
    proceed: Callable[[], object]
    data: bytes = b""
    start: int = 0
    stop: int | None = None
    after: str = ""
    landings: list["Landing"] = field(default_factory=list)

    @property
    def inner(self) -> Backend:
        """The backend without faults."""
        return self.backend.inner

    def postpone(self) -> "Landing":
        """Let the call take effect when it lands; once more, if it has already."""
        self.landings.append(self.backend.postpone(self.proceed))
        return self.landings[-1]


Fault = Callable[[Call], object]
"""Replaces one call: proceeds or not, and returns or raises."""


@dataclass(slots=True, eq=False)
class Landing:
    """A pending effect. It happens at most once."""

    proceed: Callable[[], object]
    over: bool = False

    def land(self) -> None:
        """Take effect now, whatever was purged since. An aborted upload is not an error."""
        if not self.over:
            self.over = True
            with suppress(BackendError):
                self.proceed()


@dataclass(slots=True, eq=False)
class Rule:
    """The calls that meet a fault: by method (none: all), prefix and number."""

    fault: Fault
    methods: tuple[str, ...]
    prefix: str
    nth: int
    times: int | None
    met: int = 0  # matching calls so far

    def matches(self, method: str, key: str) -> bool:
        """Return whether this call meets the fault, and count it."""
        meant = not self.methods or method in self.methods
        if not meant or not key.startswith(self.prefix):
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)


class FaultyBackend:
    """Passes each call to ``inner``, records it, and applies the faults of a test.

    Calls are named after their method; those of an upload are ``upload.write``, ``upload.finish``
    and ``upload.abort``. ``inject`` applies a fault to chosen calls. These switches apply to all
    calls, before the faults, in this order:

    ``gates``: a call of that name waits.
    ``down``: every call fails without effect. ``full``: the same for writes.
    ``fail_before``: a call of that name fails without effect, with the error that the function
    returns for the key.
    ``land_late``: a write raises BackendTimeout, and takes effect when the test calls ``land``.
    ``fail_after``: a call of that name takes effect, and then fails with the returned error.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.gates: dict[str, Gate] = {}
        self.down = self.full = self.land_late = False
        self.fail_before: dict[str, Callable[[str], BackendError | None]] = {}
        self.fail_after: dict[str, Callable[[str], BackendError | None]] = {}
        self._rules: list[Rule] = []
        self._late: list[Landing] = []
        self._lock = threading.Lock()

    def inject(
        self, fault: Fault, *methods: str, prefix: str = "", nth: int = 1, times: int | None = None
    ) -> Rule:
        """Apply a fault to calls of these methods (none: all) on keys with that prefix.

        It applies from the ``nth`` matching call on, ``times`` times (None: always). If several
        faults match, the one injected last acts first, and its ``proceed`` runs the others.
        """
        rule = Rule(fault, methods, prefix, nth, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self, *rules: Rule) -> None:
        """Remove these faults; without arguments, all faults and switches. Keeps late effects."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]
        if not rules:
            self.down = self.full = self.land_late = False
            for switches in (self.gates, self.fail_before, self.fail_after):
                switches.clear()

    @property
    def late(self) -> int:
        """How many effects are pending."""
        with self._lock:
            self._late = [landing for landing in self._late if not landing.over]
            return len(self._late)

    def land(self) -> None:
        """Let pending calls take effect now, whatever was purged since."""
        for landing in self._take_late():
            landing.land()

    def discard_late(self) -> None:
        """Discard the pending effects."""
        for landing in self._take_late():
            landing.over = True

    def postpone(self, proceed: Callable[[], object]) -> Landing:
        """Add a pending effect."""
        landing = Landing(proceed)
        with self._lock:
            self._late.append(landing)
        return landing

    def answer_lost(self, key: str) -> BackendError:
        """Return a BackendTimeout; a function for ``fail_after``: the response is lost."""
        return BackendTimeout(self.name)

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(1 for called, _ in self.calls if called == method)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def listable(self) -> frozenset[ItemKind]:
        return self.inner.listable

    @property
    def longest_request(self) -> timedelta:
        return self.inner.longest_request

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        proceed = partial(self.inner.put, key, data, timeout=timeout, urgent=urgent)
        self.pass_through(Call(self, "put", key, proceed, data))

    def upload(self, key: str, *, timeout: float) -> "FaultyUpload":
        inner = self.ask("upload", key, lambda: self.inner.upload(key, timeout=timeout))
        return FaultyUpload(self, key, inner)

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        proceed = partial(self.inner.get, key, start, stop, version=version, timeout=timeout)
        found = self.pass_through(Call(self, "get", key, proceed, start=start, stop=stop))
        return cast(bytes, found)

    def preserve(self, key: str) -> None:
        self.ask("preserve", key, lambda: self.inner.preserve(key))

    def release(self, key: str) -> None:
        self.ask("release", key, lambda: self.inner.release(key))

    def purge(self, key: str) -> None:
        self.ask("purge", key, lambda: self.inner.purge(key))

    def find_lock(self, key: str) -> ObjectLock | None:
        return self.ask("find_lock", key, lambda: self.inner.find_lock(key))

    def list_key(self, key: str) -> list[StoredItem]:
        return self.ask("list_key", key, lambda: self.inner.list_key(key))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        proceed = partial(self.inner.scan, prefix, after=after)
        found = self.pass_through(Call(self, "scan", prefix, proceed, after=after))
        yield from cast(Iterator[StoredItem], found)
        self._fail(self.fail_after, "scan", prefix)  # the listing ends early

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        return self.ask("plant", key, lambda: self.inner.plant(key, timeout=timeout))

    def probe(self, key: str) -> None:
        self.ask("probe", key, lambda: self.inner.probe(key))

    def identity(self, *, timeout: float) -> UUID | None:
        return self.ask("identity", "", lambda: self.inner.identity(timeout=timeout))

    def expect(self, identity: UUID) -> None:
        self.inner.expect(identity)

    def identify(self, identity: UUID, *, timeout: float) -> None:
        self.ask("identify", "", lambda: self.inner.identify(identity, timeout=timeout))

    def posture(self, *, timeout: float) -> Posture:
        return self.ask("posture", "", lambda: self.inner.posture(timeout=timeout))

    def close(self) -> None:
        self.inner.close()

    def ask(self, method: str, key: str, proceed: Callable[[], T]) -> T:
        """Pass a call without data through its faults."""
        return cast(T, self.pass_through(Call(self, method, key, proceed)))

    def pass_through(self, call: Call) -> object:
        """Record the call, and apply its faults."""
        self.calls.append((call.method, call.key))
        with self._lock:
            chosen = [rule.fault for rule in self._rules if rule.matches(call.method, call.key)]
        for fault in chosen:
            call = replace(call, proceed=partial(fault, call))
        return self._switches(call)

    def _switches(self, call: Call) -> object:
        """Apply the switches, then proceed."""
        if gate := self.gates.get(call.method):
            gate.wait()
        if self.down:
            raise BackendUnavailable(self.name)
        self._fail(self.fail_before, call.method, call.key)
        if self.full and call.method in _FILLS:
            raise BackendFull(self.name)
        if self.land_late and call.method in _WRITES:
            call.postpone()
            raise BackendTimeout(self.name)
        answer = call.proceed()
        if call.method != "scan":
            self._fail(self.fail_after, call.method, call.key)
        return answer

    def _fail(
        self, faults: dict[str, Callable[[str], BackendError | None]], method: str, key: str
    ) -> None:
        fault = faults.get(method)
        error = fault(key) if fault else None
        if error is not None:
            raise error

    def _take_late(self) -> list[Landing]:
        with self._lock:
            late, self._late = self._late, []
        return late


class FaultyUpload(AbortingUpload):
    """An upload to a faulty backend."""

    def __init__(self, backend: FaultyBackend, key: str, inner: Upload) -> None:
        super().__init__()
        self._backend, self._key, self.inner = backend, key, inner
        self._late = False

    def write(self, data: bytes) -> None:
        proceed = partial(self.inner.write, data)
        self._backend.pass_through(Call(self._backend, "upload.write", self._key, proceed, data))

    def finish(self) -> None:
        call = Call(self._backend, "upload.finish", self._key, self.inner.finish)
        try:
            self._backend.pass_through(call)
        finally:
            self._late = bool(call.landings)
        self.finished = True

    def abort(self) -> None:
        # an abort reaches the server before a late effect
        self._backend.ask(
            "upload.abort", self._key, self._nothing if self._late else self.inner.abort
        )

    def _nothing(self) -> None:
        """Abort an upload whose finish is pending: no effect."""
