"""A backend that fails as a test says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

from storage.backends.uploads import AbortingUpload
from storage.errors import BackendError, BackendFull, BackendTimeout, BackendUnavailable
from storage.ports import Backend, Trace, TraceKind, Upload

Fault = Callable[[str], BackendError | None]
"""Given the key (for ``scan`` the prefix), the error to raise, or None to go on."""

_PATIENCE = 60.0  # seconds until a test that never opens its gate fails


@dataclass(frozen=True, slots=True)
class Gate:
    """Calls wait at it until ``open`` is set. ``reached`` is set by the first that comes."""

    reached: Event = field(default_factory=Event)
    open: Event = field(default_factory=Event)

    def wait(self) -> None:
        """Raises AssertionError if nobody opens it within a minute."""
        self.reached.set()
        if not self.open.wait(_PATIENCE):
            raise AssertionError("nobody opened the gate")


class FaultyBackend:
    """Does what ``inner`` does, and notes each call, until a test sets one of its fields.

    Calls are named after their method; those of an upload are ``upload.write``, ``upload.finish``
    and ``upload.abort``. In the order in which they act:

    ``gates``: a call of that name waits.
    ``down``: every call fails, and nothing happens. ``full``: the same for writes.
    ``fail_before``: a call of that name fails as the function says, and nothing happens.
    ``land_late``: a write answers BackendTimeout and happens when the test calls ``land``.
    ``fail_after``: a call of that name has happened, and then fails as the function says.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.gates: dict[str, Gate] = {}
        self.down = self.full = self.land_late = False
        self.fail_before: dict[str, Fault] = {}
        self.fail_after: dict[str, Fault] = {}
        self._late: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def sees(self) -> frozenset[TraceKind]:
        return self.inner.sees

    @property
    def longest_request(self) -> timedelta:
        return self.inner.longest_request

    def lost(self, key: str) -> BackendError:
        """A fault for ``fail_after``: it has happened, and the answer does not come."""
        return BackendTimeout(self.name)

    def land(self) -> None:
        """Let the late writes happen now, whatever has been purged since."""
        late, self._late = self._late, []
        for happen in late:
            happen()

    def count(self, method: str) -> int:
        """How often a method has been called."""
        return sum(1 for called, _ in self.calls if called == method)

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        self.write("put", key, lambda: self.inner.put(key, data, timeout=timeout, urgent=urgent))

    def upload(self, key: str, *, timeout: float) -> "FaultyUpload":
        self.before("upload", key)
        upload = FaultyUpload(self, key, self.inner.upload(key, timeout=timeout))
        self.after("upload", key)
        return upload

    def get(
        self, key: str, start: int = 0, stop: int | None = None, *, version: str | None = None
    ) -> bytes:
        self.before("get", key)
        data = self.inner.get(key, start, stop, version=version)
        self.after("get", key)
        return data

    def preserve(self, key: str) -> None:
        self.before("preserve", key)
        self.inner.preserve(key)
        self.after("preserve", key)

    def release(self, key: str) -> None:
        self.before("release", key)
        self.inner.release(key)
        self.after("release", key)

    def purge(self, key: str) -> None:
        self.before("purge", key)
        self.inner.purge(key)
        self.after("purge", key)

    def traces(self, key: str) -> list[Trace]:
        self.before("traces", key)
        found = self.inner.traces(key)
        self.after("traces", key)
        return found

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[Trace]:
        self.before("scan", prefix)
        yield from self.inner.scan(prefix, after=after)
        self.after("scan", prefix)

    def probe(self, key: str) -> None:
        self.before("probe", key)
        self.inner.probe(key)
        self.after("probe", key)

    def close(self) -> None:
        self.inner.close()

    def before(self, method: str, key: str) -> None:
        """Note the call, and what comes before it happens."""
        self.calls.append((method, key))
        if gate := self.gates.get(method):
            gate.wait()
        if self.down:
            raise BackendUnavailable(self.name)
        self._fail(self.fail_before, method, key)

    def after(self, method: str, key: str) -> None:
        """What comes after it has happened."""
        self._fail(self.fail_after, method, key)

    def write(self, method: str, key: str, happen: Callable[[], None]) -> None:
        """A call that stores something: now, late, or not at all."""
        self.before(method, key)
        if self.full:
            raise BackendFull(self.name)
        if self.land_late:
            self._late.append(happen)
            raise BackendTimeout(self.name)
        happen()
        self.after(method, key)

    def _fail(self, faults: dict[str, Fault], method: str, key: str) -> None:
        fault = faults.get(method)
        error = fault(key) if fault else None
        if error is not None:
            raise error


class FaultyUpload(AbortingUpload):
    """An upload to a faulty backend."""

    def __init__(self, backend: FaultyBackend, key: str, inner: Upload) -> None:
        super().__init__()
        self._backend, self._key, self._inner = backend, key, inner
        self._late = False

    def write(self, data: bytes) -> None:
        self._backend.before("upload.write", self._key)
        if self._backend.full:
            raise BackendFull(self._backend.name)
        self._inner.write(data)
        self._backend.after("upload.write", self._key)

    def finish(self) -> None:
        self._late = self._backend.land_late
        self._backend.write("upload.finish", self._key, self._inner.finish)
        self.finished = True

    def abort(self) -> None:
        self._backend.before("upload.abort", self._key)
        if not self._late:  # it comes to the server before what lands late
            self._inner.abort()
        self._backend.after("upload.abort", self._key)
