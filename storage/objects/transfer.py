"""Bytes to several backends at once, and back in pieces."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from storage.backends.health import WatchedBackend
from storage.catalog.kinds import ObjectKind
from storage.catalog.objects import Replica
from storage.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    TooFewReplicas,
)
from storage.objects.recognition import recognize
from storage.ports import Reader, Upload
from storage.region import OpenRegion

T = TypeVar("T")

_REQUESTS = 3  # PUT timeouts that one call of an upload may last: a late start, and two parts
_PATIENCE = 2.0  # seconds to wait for a replica while there is another one
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of one transfer. ``failed``: error codes of the replicas that are not stored."""

    replicas: Sequence[Replica]
    failed: Mapping[UUID, str]

    @property
    def good(self) -> list[Replica]:
        """The replicas that their backends acknowledged."""
        return [replica for replica in self.replicas if replica.id not in self.failed]

    @property
    def stored(self) -> list[UUID]:
        """The ids of these replicas."""
        return [replica.id for replica in self.good]

    @property
    def causes(self) -> dict[str, str]:
        """Error codes by backend."""
        return {r.backend: self.failed[r.id] for r in self.replicas if r.id in self.failed}

    def require(self, required: int) -> None:
        """Raise TooFewReplicas if fewer replicas than that are stored."""
        if len(self.good) < required:
            raise TooFewReplicas(self.causes)

    def without(self, failed: Mapping[UUID, str]) -> "Sent":
        """The same result, with more failures."""
        return Sent(self.replicas, {**self.failed, **failed})


def read_order(
    region: OpenRegion, replicas: Sequence[Replica]
) -> Iterator[tuple[Replica, float | None]]:
    """Yield replicas, those on healthy backends first, and how many seconds to wait for each.

    Only the last has as long as its backend allows: another one may be quicker.
    """
    backends = region.backends
    ordered = sorted(
        replicas, key=lambda r: r.backend in backends and backends[r.backend].unhealthy
    )
    for n, replica in enumerate(ordered, 1):
        yield replica, None if n == len(ordered) else _PATIENCE


def fetch(
    region: OpenRegion, replica: Replica, patience: float | None, start: int, stop: int | None
) -> bytes:
    """Read a range of a replica for a purpose. Raises what ``Reader.get`` raises.

    ``patience``: seconds after which BackendTimeout is raised, whatever the backend still waits
    for, such as a disk or the name of a host. None: wait as long as the backend does.
    """
    backend = region.readable(replica.backend)
    if patience is None:
        return backend.get(replica.key, start, stop)
    reading = region.readers.submit(backend.get, replica.key, start, stop, timeout=patience)
    try:
        return reading.result(patience)
    except TimeoutError:
        if reading.cancel():  # no thread was free
            return backend.get(replica.key, start, stop, timeout=patience)
        backend.track(reading)
        raise BackendTimeout(replica.backend) from None


def healthy_backends(region: OpenRegion, backends: Sequence[str], required: int) -> list[str]:
    """Return the backends to try now. The replicate worker writes to the others later."""
    closed = region.postures.closed()
    open_now = [b for b in backends if b not in closed]
    healthy = [b for b in open_now if not region.backends[b].unhealthy]
    return next((some for some in (healthy, open_now) if len(some) >= required), list(backends))


def start(
    region: OpenRegion,
    replicas: Sequence[Replica],
    data: bytes,
    *,
    until: datetime,
    urgent: bool = False,
) -> Callable[[], Sent]:
    """PUT the same bytes to every backend in parallel: one attempt each, none after ``until``.

    Return what waits for the end of all, and gives the result.
    """

    def put(replica: Replica) -> None:
        recognize(region, replica.backend)
        left = time_left(region, replica.backend, until)
        timeout = min(left, region.limits.attempt)
        region.backends[replica.backend].put(replica.key, data, timeout=timeout, urgent=urgent)

    # A backend that ignores its timeout must not delay the others: its replica counts as failed,
    # and the purge queue looks for it after ``land_by``.
    patience = monotonic() + region.limits.attempt * 1.5
    running = {replica.id: region.pool.submit(put, replica) for replica in replicas}

    def end() -> Sent:
        wait(running.values(), timeout=max(0.0, patience - monotonic()))
        for replica in replicas:
            if not running[replica.id].done():
                region.backends[replica.backend].track(running[replica.id])
        codes = {number: _code(call) for number, call in running.items()}
        return Sent(replicas, {n: code for n, code in codes.items() if code is not None})

    return end


def preserve(region: OpenRegion, kind: ObjectKind, sent: Sent) -> Sent:
    """Lock an object that a hold needs on its backends. A lock that fails fails its replica."""
    if not kind.under_hold:
        return sent
    failed = {}
    for replica in sent.good:
        try:
            region.backends[replica.backend].preserve(replica.key)
        except BackendError as error:
            failed[replica.id] = error.code
    return sent.without(failed)


def time_left(region: OpenRegion, backend: str, until: datetime) -> float:
    """Return the seconds that are left. Call it right before sending.

    Raises BackendUnavailable if none are left. The process may have been suspended since it
    announced the write, and the reaper may already have made its final absence check: bytes that
    are sent after it would have no row.
    """
    left = (until - 2 * region.clock.error - region.clock.now()).total_seconds()
    if left <= 0:
        raise BackendUnavailable(backend, "the deadline of the write passed before it was sent")
    return left


def read_pieces(
    backend: Reader, key: str, size: int, *, before_each: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """Read an object of ``size`` bytes in pieces of 8 MiB, one request each."""
    for start in range(0, size, _PIECE):
        before_each()
        yield backend.get(key, start, min(start + _PIECE, size))


def is_intact(
    backend: Reader,
    key: str,
    size: int,
    digest: bytes,
    *,
    before_each: Callable[[], None] = lambda: None,
) -> bool:
    """Read an object whole; return whether it has that SHA-256. Raises BackendError."""
    found = hashlib.sha256()
    try:
        for piece in read_pieces(backend, key, size, before_each=before_each):
            found.update(piece)
    except KeyAbsent:
        return False
    return found.digest() == digest


class MultiUpload:
    """One stream to several backends. A backend that fails gets nothing more.

    Leaving the context without ``finish`` aborts every upload that is left.
    """

    def __init__(
        self,
        region: OpenRegion,
        replicas: Sequence[Replica],
        until: Callable[[], datetime],
        closed: Callable[[], Mapping[str, str]],
    ) -> None:
        """Begin an upload per replica.

        Nothing is sent after ``until()``, nor to the backends that ``closed()`` returns, each with
        an error code.
        """
        self._region = region
        self._until = until
        self._closed = closed
        self._replicas = {replica.id: replica for replica in replicas}
        self._failed: dict[UUID, str] = {}
        self._open: dict[UUID, Upload] = {}
        self.aborted = False  # on every backend, without an error
        timeout = region.limits.attempt
        taken = closed()
        self._failed |= {r.id: taken[r.backend] for r in replicas if r.backend in taken}

        def begin(replica: Replica) -> Upload:
            recognize(region, replica.backend)
            return region.backends[replica.backend].upload(replica.key, timeout=timeout)

        calls = {
            number: partial(begin, replica)
            for number, replica in self._replicas.items()
            if number not in self._failed
        }
        for number, call in self._call(calls).items():
            if not self._failure(number, call):
                self._open[number] = call.result()

    def write(self, data: bytes) -> None:
        """Send the next bytes to every backend that is left."""
        self._leave_closed()
        self._each({number: partial(up.write, data) for number, up in self._open.items()})

    def require(self, required: int) -> None:
        """Raise TooFewReplicas if fewer backends than that are left."""
        if len(self._open) < required:
            raise TooFewReplicas(self._sent().causes)

    def finish(self) -> Sent:
        """Make the object readable on every backend that is left."""
        self._leave_closed()
        self._each({number: up.finish for number, up in self._open.items()})
        self._open.clear()
        return self._sent()

    def __enter__(self) -> Self:
        """Return the upload itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Abort, unless finished. The purge queue removes what an abort leaves behind."""
        self.aborted = all([_abort(up) for up in self._open.values()])  # noqa: C419 - abort every one

    def _sent(self) -> Sent:
        return Sent(tuple(self._replicas.values()), dict(self._failed))

    def _backend(self, number: UUID) -> WatchedBackend:
        return self._region.backends[self._replicas[number].backend]

    def _leave_closed(self) -> None:
        """Abort the uploads to backends that were closed meanwhile."""
        taken = self._closed()
        for number in [number for number in self._open if self._backend(number).name in taken]:
            self._failed[number] = taken[self._backend(number).name]
            _abort(self._open.pop(number))

    def _each(self, calls: Mapping[UUID, Callable[[], None]]) -> None:
        for number, call in self._call(calls).items():
            if self._failure(number, call):
                upload = self._open.pop(number)
                call.add_done_callback(lambda _, upload=upload: _abort(upload))  # type: ignore[misc]

    def _call(self, calls: Mapping[UUID, Callable[[], T]]) -> dict[UUID, Future[T]]:
        """Run all calls at once. Return when all have ended or have had time enough."""

        def in_time(number: UUID, call: Callable[[], T]) -> T:
            time_left(self._region, self._replicas[number].backend, self._until())
            return call()

        pool = self._region.pool
        running = {number: pool.submit(in_time, number, call) for number, call in calls.items()}
        wait(running.values(), timeout=self._region.limits.attempt * _REQUESTS)
        return running

    def _failure(self, number: UUID, call: Future[T]) -> bool:
        """Return whether the call failed, and record its error code if so."""
        code = _code(call)
        if code is not None:
            self._failed[number] = code
        if not call.done():
            self._backend(number).track(call)
        return code is not None


def _code(future: Future[T]) -> str | None:
    """Return the error code of a call, None if it succeeded."""
    if future.cancel():
        return "BackendUnavailable"  # it did not begin, and never will
    if not future.done():
        return "BackendTimeout"
    error = future.exception()
    if error is not None and not isinstance(error, BackendError):
        raise error
    return error.code if error is not None else None


def _abort(upload: Upload) -> bool:
    """Return whether the backend has taken back what was sent."""
    try:
        upload.abort()
    except BackendError:
        return False
    return True
