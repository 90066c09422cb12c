"""The worker loop: every duty in turn, one bounded piece at a time, until it is stopped."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from storage.errors import DomicileError
from storage.objects.keyring import KeyRing
from storage.policy import clocks_agree
from storage.recovery.recover import catch_up
from storage.region import OpenRegion
from storage.workers.erase import compact, complete, plan
from storage.workers.expire import expire
from storage.workers.housekeep import make_partitions, prune, reap
from storage.workers.ledger import prune_ledger, resolve_entries
from storage.workers.purge import purge
from storage.workers.release import release
from storage.workers.replicate import replicate
from storage.workers.request_deletion import request_deletion
from storage.workers.scrub.rounds import scrub
from storage.workers.vacate import vacate

Piece = Callable[[], int]
"""Does one bounded piece of work. Returns 0 when there is nothing more to do now."""


@dataclass(frozen=True, slots=True)
class Duty:
    """A named task of a worker."""

    name: str
    piece: Piece


def duties(region: OpenRegion, keys: KeyRing, log: FilteringBoundLogger) -> list[Duty]:
    """Return the duties of one region, in the order in which one prepares work for the next."""

    def destroying(piece: Piece) -> Piece:
        return lambda: piece() if clocks_agree(region.clock.skew()) else 0

    return [
        Duty("clocks", lambda: compare_clocks(region, log)),
        Duty("partitions", lambda: make_partitions(region, log)),
        Duty("reap", destroying(lambda: reap(region, log))),
        Duty("resolve", lambda: resolve_entries(region, log)),
        Duty("catch_up", lambda: catch_up(region, log)),
        Duty("release", destroying(lambda: release(region, log))),
        Duty("plan", destroying(lambda: plan(region, log))),
        Duty("expire", destroying(lambda: expire(region, keys, log))),
        Duty("replicate", lambda: replicate(region, log)),
        Duty("vacate", destroying(lambda: vacate(region, log))),
        Duty("compact", destroying(lambda: compact(region, log))),
        Duty("purge", destroying(lambda: purge(region, log))),
        Duty("request_deletion", destroying(lambda: request_deletion(region, log))),
        Duty("complete", destroying(lambda: complete(region, log))),
        Duty("prune", destroying(lambda: prune(region, log))),
        Duty("prune_ledger", destroying(lambda: prune_ledger(region, log))),
        Duty("scrub", destroying(lambda: scrub(region, log))),
    ]


def compare_clocks(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Log an error if destructive duties are paused because the clocks disagree."""
    apart = region.clock.skew()
    if not clocks_agree(apart):
        log.error("clocks_disagree", region=region.name, seconds=round(apart.total_seconds()))
    return 0


class Worker:
    """Runs the duties of the regions that this process serves."""

    def __init__(self, todo: Sequence[Duty], log: FilteringBoundLogger) -> None:
        """Several workers may run the same duties, in one process or in many."""
        self._duties = todo
        self._log = log
        self._stop = threading.Event()

    def stop(self) -> None:
        """Finish the current piece, then stop. Safe in a signal handler."""
        self._stop.set()

    def run_once(self) -> dict[str, int]:
        """Do everything that is due now. Return the number of pieces by duty.

        A duty that fails is left for the next round. The first error is raised at the end.
        """
        done: dict[str, int] = {}
        failed: DomicileError | None = None
        for duty in self._duties:
            try:
                done[duty.name] = done.get(duty.name, 0) + self._exhaust(duty)
            except DomicileError as error:
                self._log.exception("duty_failed", duty=duty.name, error=error.code)
                failed = failed or error
        if failed is not None:
            raise failed
        return done

    def run_forever(self, pause: float) -> None:
        """Run rounds, ``pause`` seconds apart, until ``stop``. Errors are logged."""
        while not self._stop.is_set():
            try:
                self.run_once()
            except DomicileError as error:
                self._log.warning("round_incomplete", error=error.code)
            self._stop.wait(pause)

    def _exhaust(self, duty: Duty) -> int:
        pieces = 0
        while not self._stop.is_set():
            more = duty.piece()
            pieces += bool(more)
            if not more:
                break
        return pieces
