"""The steps of a process: each call of a backend, and both ends of each transaction.

At a step another process may act, or the process may die. What a dead process does has no effect.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from uuid import UUID

from sqlalchemy import Connection

from storage.backends.uploads import AbortingUpload
from storage.catalog.engine import Catalog
from storage.model import Posture
from storage.ports import Acknowledgement, Connector, ItemKind, ObjectLock, StoredItem, Upload
from storage.testing import FaultyBackend


class Killed(BaseException):
    """Raised in a process that is dead."""


@dataclass
class Steps:
    """The steps of one process, and what happens at some of them."""

    due: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    dead: bool = False
    busy: bool = False  # another process acts; its steps are not counted
    seen: int = 0
    written: list[tuple[str, str]] = field(default_factory=list)  # backend and key, in this call
    lock: Lock = field(default_factory=Lock)

    def step(self) -> None:
        """Count a step and do what is due at it. Raises Killed if the process is dead."""
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
        """Kill the process."""
        self.dead = True


class SteppedBackend:
    """A backend, as one process sees it."""

    def __init__(
        self, inner: FaultyBackend, steps: Steps, wrote: Callable[[str, str], None]
    ) -> None:
        self.inner, self._steps, self._wrote = inner, steps, wrote

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
        with self.write(key):
            self.inner.put(key, data, timeout=timeout, urgent=urgent)

    def upload(self, key: str, *, timeout: float) -> "SteppedUpload":
        with self.write(key):
            return SteppedUpload(self, key, self.inner.upload(key, timeout=timeout))

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        with self.around():
            return self.inner.get(key, start, stop, version=version, timeout=timeout)

    def preserve(self, key: str) -> None:
        with self.around():
            self.inner.preserve(key)

    def release(self, key: str) -> None:
        with self.around():
            self.inner.release(key)

    def purge(self, key: str) -> None:
        with self.around():
            self.inner.purge(key)

    def find_lock(self, key: str) -> ObjectLock | None:
        return self.inner.find_lock(key)

    def list_key(self, key: str) -> list[StoredItem]:
        with self.around():
            return self.inner.list_key(key)

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        yield from self.inner.scan(prefix, after=after)

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        with self.write(key):
            return self.inner.plant(key, timeout=timeout)

    def probe(self, key: str) -> None:
        self.inner.probe(key)

    def identity(self, *, timeout: float) -> UUID | None:
        return self.inner.identity(timeout=timeout)

    def expect(self, identity: UUID) -> None:
        self.inner.expect(identity)

    def identify(self, identity: UUID, *, timeout: float) -> None:
        with self.around():
            self.inner.identify(identity, timeout=timeout)

    def posture(self, *, timeout: float) -> Posture:
        return self.inner.posture(timeout=timeout)

    def close(self) -> None:
        """Keep the backend: it outlives the process."""

    @contextmanager
    def around(self) -> Iterator[None]:
        """Make a step before and a step after."""
        self._steps.step()
        yield
        self._steps.step()

    @contextmanager
    def write(self, key: str) -> Iterator[None]:
        """Make a step before and after a write."""
        self._steps.step()
        self._wrote(self.name, key)
        self._steps.written.append((self.name, key))
        yield
        self._steps.step()


class SteppedUpload(AbortingUpload):
    """An upload, as one process sees it."""

    def __init__(self, backend: SteppedBackend, key: str, inner: Upload) -> None:
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


class SteppedConnector:
    """A processor, as one process sees it."""

    def __init__(self, inner: Connector, steps: Steps) -> None:
        self.inner, self._steps = inner, steps

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def longest_request(self) -> timedelta:
        return self.inner.longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        self._steps.step()
        self.inner.deliver(copy, content, timeout=timeout)
        self._steps.step()

    def request_deletion(self, copy: UUID) -> None:
        self._steps.step()
        self.inner.request_deletion(copy)
        self._steps.step()

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        self._steps.step()
        said = self.inner.confirm(copy)
        self._steps.step()
        return said


def step_catalog(catalog: Catalog, steps: Steps) -> None:
    """Make both ends of each transaction a step."""
    begin = catalog.begin

    @contextmanager
    def tapped() -> Iterator[Connection]:
        steps.step()
        with begin() as connection:
            yield connection
        steps.step()

    catalog.begin = tapped  # type: ignore[method-assign]
