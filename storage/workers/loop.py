"""The worker loop: every duty in turn, one bounded piece at a time, until it is stopped."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from structlog.typing import FilteringBoundLogger

from storage.catalog.refusals import connection_failure
from storage.errors import (
    BackendError,
    CatalogUnavailable,
    ConfigurationError,
    DomicileError,
    KeyUnavailable,
    Unavailable,
)
from storage.meters import Meters, NoMeters
from storage.objects.keyring import KeyRing
from storage.policy import clocks_agree
from storage.recovery.recover import catch_up
from storage.region import OpenRegion
from storage.workers.erase import compact, complete, plan
from storage.workers.evacuate import evacuate
from storage.workers.exits import carry_out
from storage.workers.expire import expire
from storage.workers.housekeep import (
    make_partitions,
    prune,
    read_postures,
    reap,
    watch_holds,
)
from storage.workers.ledger import prune_ledger, resolve_entries
from storage.workers.log import Sealer, prune_log
from storage.workers.purge import purge
from storage.workers.release import release
from storage.workers.replicate import replicate
from storage.workers.request_deletion import request_deletion
from storage.workers.scrub.rounds import scrub
from storage.workers.shorten import shorten
from storage.workers.sweep import sweep
from storage.workers.vacate import vacate

Piece = Callable[[], int]
"""Does one bounded piece of work. Returns 0 when there is nothing more to do now."""


@dataclass(frozen=True, slots=True)
class Duty:
    """A named task of a worker in one region."""

    region: str
    name: str
    piece: Piece


def duties(region: OpenRegion, keys: KeyRing, log: FilteringBoundLogger) -> list[Duty]:
    """Return the duties of one region, in the order in which one prepares work for the next."""
    sealer = Sealer(region)

    def destroying(piece: Piece) -> Piece:
        return lambda: piece() if clocks_agree(region.clock.skew()) else 0

    return [
        Duty(region.name, "clocks", lambda: compare_clocks(region, log)),
        Duty(region.name, "postures", lambda: read_postures(region, log)),
        Duty(region.name, "holds", lambda: watch_holds(region, log)),
        Duty(region.name, "partitions", lambda: make_partitions(region, log)),
        Duty(region.name, "reap", destroying(lambda: reap(region, log))),
        Duty(region.name, "resolve", lambda: resolve_entries(region, log)),
        Duty(region.name, "catch_up", lambda: catch_up(region, log)),
        Duty(region.name, "release", destroying(lambda: release(region, log))),
        Duty(region.name, "exits", destroying(lambda: carry_out(region, log))),
        Duty(region.name, "shorten", destroying(lambda: shorten(region, log))),
        Duty(region.name, "plan", destroying(lambda: plan(region, log))),
        Duty(region.name, "expire", destroying(lambda: expire(region, keys, log))),
        Duty(region.name, "replicate", lambda: replicate(region, log)),
        Duty(region.name, "vacate", destroying(lambda: vacate(region, log))),
        Duty(region.name, "evacuate", destroying(lambda: evacuate(region, log))),
        Duty(region.name, "compact", destroying(lambda: compact(region, log))),
        Duty(region.name, "purge", destroying(lambda: purge(region, log))),
        Duty(region.name, "request_deletion", destroying(lambda: request_deletion(region, log))),
        Duty(region.name, "sweep", destroying(lambda: sweep(region, log))),
        Duty(region.name, "complete", destroying(lambda: complete(region, log))),
        Duty(region.name, "seal", lambda: sealer.seal(log)),
        Duty(region.name, "prune", destroying(lambda: prune(region, log))),
        Duty(region.name, "prune_ledger", destroying(lambda: prune_ledger(region, log))),
        Duty(region.name, "prune_log", destroying(lambda: prune_log(region, log))),
        Duty(region.name, "scrub", destroying(lambda: scrub(region, log))),
    ]


def compare_clocks(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Log an error if destructive duties are paused because the clocks disagree."""
    apart = region.clock.skew()
    if not clocks_agree(apart):
        log.error("clocks_disagree", region=region.name, seconds=round(apart.total_seconds()))
    return 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A round that has ended: pieces by duty, and the first error of each region that failed.

    If the catalog of a region did not answer, that is its error.
    """

    pieces: dict[str, int]
    failed: dict[str, Exception]


class Worker:
    """Runs the duties of the regions that this process serves."""

    def __init__(
        self,
        todo: Mapping[str, Callable[[], Sequence[Duty]]],
        log: FilteringBoundLogger,
        *,
        meters: Meters | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``todo`` gives the duties of each region. It raises while the region does not open.

        Several workers may run the same duties, in one process or in many. ``clock`` returns
        monotonic seconds.
        """
        self._todo = todo
        self._log = log
        self._meters = meters or NoMeters()
        self._clock = clock
        self._turned = clock()
        self._stop = threading.Event()

    def still(self) -> float:
        """Return for how many seconds no piece has ended, and no round has begun.

        Thread-safe.
        """
        return self._clock() - self._turned

    def stop(self) -> None:
        """Finish the current piece, then stop. Safe in a signal handler."""
        self._stop.set()

    def run_once(self) -> dict[str, int]:
        """Do everything that is due now. Return the number of pieces by duty.

        The first error of ``run_round`` is raised at the end.
        """
        ended = self.run_round()
        for first in ended.failed.values():
            raise first
        return ended.pieces

    def run_round(self) -> Ended:
        """Do everything that is due now, in every region that opens.

        A duty that raises anything is left for the next round, and so are all further duties of a
        region whose catalog does not answer.
        """
        ended = Ended({}, {})
        self._turned = self._clock()
        for region, todo in self._todo.items():
            try:
                duties_now = todo()
            except Exception as error:  # noqa: BLE001 - the other regions go on
                self._report(region, "open", error)
                ended.failed.setdefault(region, error)
                continue
            for duty in duties_now:
                self._run(duty, ended)
        return ended

    def _run(self, duty: Duty, ended: Ended) -> None:
        """Run a duty, and note its pieces or its error."""
        if isinstance(ended.failed.get(duty.region), CatalogUnavailable):
            return
        began = self._clock()
        try:
            done = self._exhaust(duty)
        except Exception as error:  # noqa: BLE001 - the other duties go on
            self._meters.worked(duty.region, duty.name, self._clock() - began, error)
            self._report(duty.region, duty.name, error)
            if isinstance(error, CatalogUnavailable):
                ended.failed[duty.region] = error
            ended.failed.setdefault(duty.region, error)
        else:
            self._meters.worked(duty.region, duty.name, self._clock() - began, None)
            ended.pieces[duty.name] = ended.pieces.get(duty.name, 0) + done

    def _report(self, region: str, duty: str, error: Exception) -> None:
        """Log why a duty failed. Only an unexpected error needs the frames."""
        told = {"region": region, "error": code_of(error)}
        if isinstance(error, BackendError):
            told["backend"] = error.backend
        if isinstance(error, CatalogUnavailable):
            why = connection_failure(error) or error.message
            self._log.error("catalog_unavailable", **told, reason=why)
        elif isinstance(error, Unavailable | KeyUnavailable | ConfigurationError):
            self._log.error("duty_failed", duty=duty, **told, reason=error.message)
        else:
            self._log.error("duty_failed", duty=duty, **told, exc_info=error)

    def run_forever(self, pause: float) -> None:
        """Run rounds, ``pause`` seconds apart, until ``stop``. Errors are logged."""
        while not self._stop.is_set():
            for first in self.run_round().failed.values():
                self._log.warning("round_incomplete", error=code_of(first))
                break
            self._stop.wait(pause)

    def _exhaust(self, duty: Duty) -> int:
        pieces = 0
        while not self._stop.is_set():
            more = duty.piece()
            self._turned = self._clock()
            pieces += bool(more)
            if not more:
                break
        return pieces


def code_of(error: Exception) -> str:
    """Return the name of an error for the log, also of an unexpected one."""
    return error.code if isinstance(error, DomicileError) else type(error).__name__
