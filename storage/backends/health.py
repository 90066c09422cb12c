"""Remembers that a backend has just failed, so that a writer can take another one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from storage.backends.uploads import AbortingUpload
from storage.errors import BackendTimeout, BackendUnavailable
from storage.ports import Backend, ItemKind, StoredItem, Upload


class WatchedBackend:
    """A backend that becomes ``unhealthy`` for a while when it does not answer.

    Nothing else changes: every call still goes through. ``clock`` gives monotonic seconds.
    """

    def __init__(self, inner: Backend, *, clock: Callable[[], float], seconds: float) -> None:
        self._inner, self._clock, self._seconds = inner, clock, seconds
        self._unhealthy_until = float("-inf")
        self._owed: set[Future[Any]] = set()

    @property
    def unhealthy(self) -> bool:
        """Whether it failed to answer within the last ``seconds``, or still owes an answer."""
        return bool(self._owed) or self._clock() < self._unhealthy_until

    def track(self, call: Future[Any]) -> None:
        """Nobody waits for this call any more: the backend is suspect until it ends.

        Else one that hangs would take every thread that there is for sending, one by one.
        """
        self._owed.add(call)
        call.add_done_callback(self._owed.discard)

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
        self, key: str, start: int = 0, stop: int | None = None, *, version: str | None = None
    ) -> bytes:
        with self.watching():
            return self._inner.get(key, start, stop, version=version)

    def preserve(self, key: str) -> None:
        with self.watching():
            self._inner.preserve(key)

    def release(self, key: str) -> None:
        with self.watching():
            self._inner.release(key)

    def purge(self, key: str) -> None:
        with self.watching():
            self._inner.purge(key)

    def list_key(self, key: str) -> list[StoredItem]:
        with self.watching():
            return self._inner.list_key(key)

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        with self.watching():
            yield from self._inner.scan(prefix, after=after)

    def probe(self, key: str) -> None:
        with self.watching():
            self._inner.probe(key)

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Becomes suspect if what is done within finds no answer."""
        try:
            yield
        except (BackendUnavailable, BackendTimeout):
            self._unhealthy_until = self._clock() + self._seconds
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
