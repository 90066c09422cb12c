"""Sweep: list what is left beside objects that are gone, before their receipts are signed.

A receipt says where an object was, and a copy of it may lie there under another key. So when
all else of an erasure is done, the keys of the same kind and day are listed on each of these
backends, and a row must name each key. Otherwise the receipt waits. What no row names is an orphan,
and is treated as a scrub treats it.

The rows are read after the listing: a write is announced before its first byte is sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.backends.keys import is_key
from storage.catalog import sweeps
from storage.catalog.sweeps import Sweep
from storage.errors import BackendError
from storage.objects import control
from storage.policy import LEASE, Done, Finding, retry_after
from storage.region import OpenRegion
from storage.workers.scrub.repair import Target, Traces, inspect, listing, repair, unpaced

BATCH = 16
PAGE = 1000  # keys whose rows are read at once
REQUESTS = 20  # a piece ends with a page, after so many requests
ORPHANS_LEFT = "OrphansLeft"
"""The error code for a backend with keys that no row names."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``after``: the last key that is done. ``over``: there are no more. Or there is an error."""

    sweep: Sweep
    after: str = ""
    orphans: int = 0
    over: bool = False
    error: str | None = None


def sweep(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Do a piece of each of a batch of sweeps. Return how many; unfinished ones stay due."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        claimed = sweeps.claim(connection, now, now + LEASE, BATCH)
    if not claimed:
        return 0
    failed = {x.backend: "BackendUnknown" for x in claimed if x.backend not in region.backends}
    named = sorted({x.backend for x in claimed} - failed.keys())
    planted = control.plant(region, named) if named else None
    failed |= planted.failed if planted else {}
    outcomes = [_sweep_one(region, x, failed, log) for x in claimed]
    unlisted = control.check(region, planted, scan=True) if planted else {}
    for outcome in outcomes:
        error = outcome.error or unlisted[outcome.sweep.backend]
        with region.catalog.begin() as connection:
            _note(region, connection, outcome, error)
        _tell(region, outcome, error, log)
    return len(claimed)


def _sweep_one(
    region: OpenRegion, one: Sweep, failed: dict[str, str], log: FilteringBoundLogger
) -> _Outcome:
    """Do one piece. A backend that fails is not asked again in this batch."""
    if one.backend in failed:
        return _Outcome(one, error=failed[one.backend])
    try:
        return _piece(Target(region, one.backend, unpaced(), log), one)
    except BackendError as error:
        failed[one.backend] = error.code
        return _Outcome(one, error=error.code)


def _piece(target: Target, one: Sweep) -> _Outcome:
    """List some pages, and count the keys that no row names."""
    orphans = one.orphans
    for page in _pages(listing(target, one.prefix, one.after)):
        orphans += _orphans(target, page)
        last = page[-1].key  # a foreign name cannot be a position to continue from
        if target.rate.taken >= REQUESTS and is_key(last):
            return _Outcome(one, last, orphans)
    return _Outcome(one, "", orphans, over=True)


def _pages(traces: Iterator[Traces]) -> Iterator[list[Traces]]:
    while page := list(islice(traces, PAGE)):
        yield page


def _orphans(target: Target, page: Sequence[Traces]) -> int:
    """Return how many of the listed keys no row names, and no repair has purged."""
    keys = [traces.key for traces in page if is_key(traces.key)]
    with target.region.catalog.begin() as connection:
        unnamed = sweeps.unnamed(connection, target.backend, keys)
    foreign = len(page) - len(keys)  # no row names them, nor could: some are not even text
    return foreign + sum(_is_orphan(target, key) for key in keys if key in unnamed)


def _is_orphan(target: Target, key: str) -> bool:
    """Inspect a key again: it may have been purged, and its row pruned, since it was listed."""
    inspected = inspect(target, key)
    if inspected is None:
        return True
    row, traces = inspected
    finding = target.judge(row, traces)
    if finding not in (Finding.ORPHAN, Finding.WRONG_BACKEND, Finding.CAME_BACK):
        return False
    return repair(target, finding, key, row) not in (Done.PURGED, Done.PURGING)


def _note(region: OpenRegion, connection: Connection, outcome: _Outcome, error: str | None) -> None:
    now, one = region.clock.now(), outcome.sweep
    later = now + retry_after(one.attempts)
    if error is not None:
        sweeps.retry_later(connection, one, error, later)
    elif not outcome.over:
        sweeps.advance(connection, one, outcome.after, outcome.orphans, now)
    elif outcome.orphans:
        sweeps.begin_again(connection, one, outcome.orphans, ORPHANS_LEFT, later)
    else:
        sweeps.finish(connection, one)


def _tell(
    region: OpenRegion, outcome: _Outcome, error: str | None, log: FilteringBoundLogger
) -> None:
    told = {"region": region.name, "backend": outcome.sweep.backend}
    if error is not None:
        log.warning("sweep_failed", **told, error=error, attempts=outcome.sweep.attempts)
    elif outcome.over and outcome.orphans:
        log.warning("orphans_left", **told, under=outcome.sweep.prefix, count=outcome.orphans)
