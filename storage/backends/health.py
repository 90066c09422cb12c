"""Track whether a backend responds, so that writers can prefer others."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from storage.backends.uploads import AbortingUpload
from storage.errors import BackendError, BackendTimeout, BackendUnavailable, KeyAbsent
from storage.model import Posture
from storage.ports import Backend, ItemKind, ObjectLock, StoredItem, Upload


class WatchedBackend:
    """A backend that is ``unhealthy`` for some seconds after it did not respond.

    Every call still goes to the backend. ``clock`` returns monotonic seconds. ``failed`` is called
    with each error of the backend, but for a key that is absent.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        clock: Callable[[], float],
        seconds: float,
        failed: Callable[[BackendError], None] | None = None,
    ) -> None:
        self._inner, self._clock, self._seconds, self._failed = inner, clock, seconds, failed
        self._unhealthy_until = float("-inf")
        self._pending: set[Future[Any]] = set()
        self.recognized: UUID | None = None
        """The identity that its storage was recognized by. None: nobody may write there yet."""

    @property
    def unhealthy(self) -> bool:
        """Whether it did not respond within the last ``seconds``, or a tracked call still runs."""
        return bool(self._pending) or self._clock() < self._unhealthy_until

    def track(self, call: Future[Any]) -> None:
        """Count a call that its caller no longer waits for: the backend is unhealthy until it ends.

        Otherwise a backend that hangs would occupy all threads that send, one after another.
        """
        self._pending.add(call)
        call.add_done_callback(self._pending.discard)

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def listable(self) -> frozenset[ItemKind]:
        return self._inner.listable

    @property
    def longest_request(self) -> timedelta:
        return self._inner.longest_request

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        with self.watching():
            self._inner.put(key, data, timeout=timeout, urgent=urgent)

    def upload(self, key: str, *, timeout: float) -> "WatchedUpload":
        with self.watching():
            return WatchedUpload(self, self._inner.upload(key, timeout=timeout))

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        with self.watching():
            return self._inner.get(key, start, stop, version=version, timeout=timeout)

    def preserve(self, key: str) -> None:
        with self.watching():
            self._inner.preserve(key)

    def release(self, key: str) -> None:
        with self.watching():
            self._inner.release(key)

    def purge(self, key: str) -> None:
        with self.watching():
            self._inner.purge(key)

    def find_lock(self, key: str) -> ObjectLock | None:
        with self.watching():
            return self._inner.find_lock(key)

    def list_key(self, key: str) -> list[StoredItem]:
        with self.watching():
            return self._inner.list_key(key)

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        with self.watching():
            yield from self._inner.scan(prefix, after=after)

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        with self.watching():
            return self._inner.plant(key, timeout=timeout)

    def probe(self, key: str) -> None:
        with self.watching():
            self._inner.probe(key)

    def identity(self, *, timeout: float) -> UUID | None:
        with self.watching():
            return self._inner.identity(timeout=timeout)

    def expect(self, identity: UUID) -> None:
        self._inner.expect(identity)
        self.recognized = identity

    def identify(self, identity: UUID, *, timeout: float) -> None:
        with self.watching():
            self._inner.identify(identity, timeout=timeout)

    def posture(self, *, timeout: float) -> Posture:
        with self.watching():
            return self._inner.posture(timeout=timeout)

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Mark the backend unhealthy if a call within the context gets no response."""
        try:
            yield
        except BackendError as error:
            if isinstance(error, BackendUnavailable | BackendTimeout):
                self._unhealthy_until = self._clock() + self._seconds
            if self._failed is not None and not isinstance(error, KeyAbsent):
                self._failed(error)
            raise


class WatchedUpload(AbortingUpload):
    """An upload to a watched backend."""

    def __init__(self, backend: WatchedBackend, inner: Upload) -> None:
        super().__init__()
        self._backend, self._inner = backend, inner

    def write(self, data: bytes) -> None:
        with self._backend.watching():
            self._inner.write(data)

    def finish(self) -> None:
        with self._backend.watching():
            self._inner.finish()
        self.finished = True

    def abort(self) -> None:
        with self._backend.watching():
            self._inner.abort()
