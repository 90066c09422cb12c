"""Bytes to several backends at once: whole packs, or a stream of unknown length."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from storage.catalog.objects import Attempt
from storage.errors import BackendError, DomicileError, TooFewReplicas
from storage.ports import Upload
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Sent:
    """Which attempts a backend acknowledged, and what became of the others (error codes)."""

    stored: tuple[UUID, ...]
    failed: Mapping[UUID, str]
    causes: Mapping[str, str]  # by backend


def send(region: OpenRegion, attempts: Sequence[Attempt], data: bytes) -> Sent:
    """PUT the same bytes to every backend in parallel, one attempt each."""

    def put(attempt: Attempt) -> None:
        region.backends[attempt.backend].put(attempt.key, data, timeout=region.limits.attempt)

    # a backend that ignores its timeout must not hold the pack: its attempt then has failed,
    # and what it may still write is purged after ``land_by``
    running = {region.pool.submit(put, attempt): attempt for attempt in attempts}
    wait(running, timeout=region.limits.attempt * 1.5)
    return _sum_up(running)


def _sum_up(running: Mapping[Future[None], Attempt]) -> Sent:
    stored, failed, causes = [], {}, {}
    for future, attempt in running.items():
        code = _code(future)
        if code is None:
            stored.append(attempt.id)
        else:
            failed[attempt.id] = causes[attempt.backend] = code
    return Sent(tuple(stored), failed, causes)


def _code(future: Future[None]) -> str | None:
    if future.cancel():
        return "BackendUnavailable"  # it never began, and never will
    if not future.done():
        return "BackendTimeout"
    error = future.exception()
    if error is not None and not isinstance(error, BackendError):
        raise error
    return error.code if error is not None else None


class Fan:
    """One stream to several backends. A backend that fails is left out from then on."""

    def __init__(self, region: OpenRegion, attempts: Sequence[Attempt]) -> None:
        """Begins an upload per attempt."""
        self._region = region
        self._open: dict[UUID, Upload] = {}
        self._backend = {attempt.id: attempt.backend for attempt in attempts}
        self.failed: dict[UUID, str] = {}
        for attempt in attempts:
            backend = region.backends[attempt.backend]
            try:
                self._open[attempt.id] = backend.upload(attempt.key, timeout=region.limits.attempt)
            except BackendError as error:
                self.failed[attempt.id] = error.code

    def write(self, data: bytes) -> None:
        """Send the next bytes to all that are left."""
        self._each([(number, partial(up.write, data)) for number, up in self._open.items()])

    def demand(self, required: int) -> None:
        """Raises TooFewReplicas if too few are left."""
        if len(self._open) < required:
            raise TooFewReplicas({self._backend[n]: code for n, code in self.failed.items()})

    def finish(self) -> Sent:
        """Make the whole readable on all that are left."""
        self._each([(number, up.finish) for number, up in self._open.items()])
        causes = {self._backend[number]: code for number, code in self.failed.items()}
        return Sent(tuple(self._open), dict(self.failed), causes)

    def abort(self) -> None:
        """Take everything back. What cannot be taken back now, the purge queue removes."""
        for upload in self._open.values():
            with suppress(BackendError):
                upload.abort()
        self._open.clear()

    def _each(self, calls: Iterable[tuple[UUID, Callable[[], None]]]) -> None:
        running = {number: self._region.pool.submit(call) for number, call in calls}
        for number, future in running.items():
            error = future.exception()
            if error is None:
                continue
            if not isinstance(error, DomicileError):
                raise error
            self.failed[number] = error.code
            with suppress(BackendError):
                self._open.pop(number).abort()
