"""Bytes to several backends at once: whole packs, or a stream of unknown length."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from storage.catalog.objects import ObjectKind, Replica
from storage.errors import BackendError, BackendUnavailable, TooFewReplicas
from storage.ports import Upload
from storage.region import OpenRegion

T = TypeVar("T")

KEPT = frozenset({ObjectKind.HELD, ObjectKind.HOLD_KEY})
"""What a backend locks, if it can, for as long as a hold needs it."""

_REQUESTS = 3  # attempts that one call of an upload may last: to begin late, and send two parts


@dataclass(frozen=True, slots=True)
class Sent:
    """Which attempts a backend acknowledged, and what became of the others (error codes)."""

    stored: tuple[UUID, ...]
    failed: Mapping[UUID, str]
    causes: Mapping[str, str]  # by backend


def healthy_backends(region: OpenRegion, backends: Sequence[str], required: int) -> list[str]:
    """Backends to try now: one that has just failed is left to the replicate worker."""
    well = [b for b in backends if not region.backends[b].unhealthy]
    return well if len(well) >= required else list(backends)


def send(
    region: OpenRegion,
    attempts: Sequence[Replica],
    data: bytes,
    *,
    until: datetime,
    urgent: bool = False,
) -> Sent:
    """PUT the same bytes to every backend in parallel: one attempt each, none after ``until``."""

    def put(attempt: Replica) -> None:
        left = time_left(region, attempt.backend, until)
        timeout = min(left, region.limits.attempt)
        region.backends[attempt.backend].put(attempt.key, data, timeout=timeout, urgent=urgent)

    # a backend that ignores its timeout must not hold the pack: its attempt then has failed,
    # and what it may still write is purged after ``land_by``
    running = {region.pool.submit(put, attempt): attempt for attempt in attempts}
    for call in wait(running, timeout=region.limits.attempt * 1.5).not_done:
        region.backends[running[call].backend].track(call)
    return _sum_up(running)


def preserve(region: OpenRegion, kind: ObjectKind, attempts: Sequence[Replica], sent: Sent) -> Sent:
    """Have the backends lock what holds held records. One that fails at it has not stored it."""
    if kind not in KEPT:
        return sent
    stored, failed, causes = [], dict(sent.failed), dict(sent.causes)
    for attempt in attempts:
        if attempt.id not in sent.stored:
            continue
        try:
            region.backends[attempt.backend].preserve(attempt.key)
        except BackendError as error:
            failed[attempt.id] = causes[attempt.backend] = error.code
        else:
            stored.append(attempt.id)
    return Sent(tuple(stored), failed, causes)


def time_left(region: OpenRegion, backend: str, until: datetime) -> float:
    """Seconds until then, to be asked right before sending. Raises BackendUnavailable if none.

    A process may have stood still since it announced what it sends, and whoever gave it up has
    looked for the last time: what is sent then would be there without a row.
    """
    left = (until - 2 * region.clock.error - region.clock.now()).total_seconds()
    if left <= 0:
        raise BackendUnavailable(backend, "the time of the attempt was over before it began")
    return left


def _sum_up(running: Mapping[Future[None], Replica]) -> Sent:
    stored, failed, causes = [], {}, {}
    for future, attempt in running.items():
        code = _code(future)
        if code is None:
            stored.append(attempt.id)
        else:
            failed[attempt.id] = causes[attempt.backend] = code
    return Sent(tuple(stored), failed, causes)


def _code(future: Future[T]) -> str | None:
    if future.cancel():
        return "BackendUnavailable"  # it never began, and never will
    if not future.done():
        return "BackendTimeout"
    error = future.exception()
    if error is not None and not isinstance(error, BackendError):
        raise error
    return error.code if error is not None else None


class MultiUpload:
    """One stream to several backends. A backend that fails is left out from then on."""

    def __init__(self, region: OpenRegion, attempts: Sequence[Replica], *, until: datetime) -> None:
        """Begins an upload per attempt. Nothing is sent after ``until``, which may be put off."""
        self._region = region
        self.until = until
        self._backends = {a.id: region.backends[a.backend] for a in attempts}
        self.failed: dict[UUID, str] = {}
        timeout = region.limits.attempt
        self._open: dict[UUID, Upload] = {}
        begin = {
            a.id: partial(self._backends[a.id].upload, a.key, timeout=timeout) for a in attempts
        }
        for number, call in self._call(begin).items():
            if not self._note(number, call):
                self._open[number] = call.result()

    def write(self, data: bytes) -> None:
        """Send the next bytes to all that are left."""
        self._each({number: partial(up.write, data) for number, up in self._open.items()})

    def demand(self, required: int) -> None:
        """Raises TooFewReplicas if too few are left."""
        if len(self._open) < required:
            raise TooFewReplicas(self._causes())

    def finish(self) -> Sent:
        """Make the whole readable on all that are left."""
        self._each({number: up.finish for number, up in self._open.items()})
        return Sent(tuple(self._open), dict(self.failed), self._causes())

    def abort(self) -> None:
        """Take everything back. What cannot be taken back now, the purge queue removes."""
        for upload in self._open.values():
            _take_back(upload)
        self._open.clear()

    def _causes(self) -> dict[str, str]:
        return {self._backends[number].name: code for number, code in self.failed.items()}

    def _each(self, calls: Mapping[UUID, Callable[[], None]]) -> None:
        for number, call in self._call(calls).items():
            if self._note(number, call):
                upload = self._open.pop(number)
                call.add_done_callback(lambda _, upload=upload: _take_back(upload))  # type: ignore[misc]

    def _call(self, calls: Mapping[UUID, Callable[[], T]]) -> dict[UUID, Future[T]]:
        """All at once, each in time. Returns when all have ended, or have had time enough."""

        def in_time(number: UUID, call: Callable[[], T]) -> T:
            time_left(self._region, self._backends[number].name, self.until)
            return call()

        pool = self._region.pool
        running = {number: pool.submit(in_time, number, call) for number, call in calls.items()}
        wait(running.values(), timeout=self._region.limits.attempt * _REQUESTS)
        return running

    def _note(self, number: UUID, call: Future[T]) -> bool:
        """Whether the call failed; then it is noted why."""
        code = _code(call)
        if code is not None:
            self.failed[number] = code
        if not call.done():
            self._backends[number].track(call)
        return code is not None


def _take_back(upload: Upload) -> None:
    with suppress(BackendError):
        upload.abort()
