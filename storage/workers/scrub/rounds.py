"""Scrub rounds: merge the replicas of a backend with its listing, both in the order of keys.

A key that is in one of them only, or that differs, is inspected again and repaired. The progress of
a round is saved in the catalog after every piece, so any process can continue it. A piece that runs
twice finds nothing the second time.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from functools import cache

from structlog.typing import FilteringBoundLogger

from storage.backends.keys import is_key
from storage.catalog import scrubs
from storage.catalog.scrubs import Round, Row
from storage.errors import BackendError
from storage.model import ReplicaState
from storage.policy import Done, Finding, next_scrub, sampled
from storage.region import OpenRegion
from storage.workers.scrub.repair import (
    Target,
    Traces,
    inspect,
    intact,
    listing,
    repair,
    unpaced,
)

# A piece ends after one of these counts. A page of a listing has 1000 keys, and the last of them is
# complete when the first of the next page is seen.
KEYS, REQUESTS = 999, 100
SHARE = 0.01  # of the objects, the share that a worker reads in full in one round
_PAGE = 500  # rows per query
_LEASE = timedelta(minutes=2)
_AGAIN = timedelta(minutes=1)
_WAIT = 1.0  # seconds
_PRUNE = 1000


def scrub(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Scrub one piece of one backend that is due. Always return 0: the rest waits for later rounds.

    So scrubbing takes a small part of a worker's time, however many objects there are.
    """
    names, now = list(region.backends), region.clock.now()
    with region.catalog.begin() as connection:
        scrubs.register(connection, names, next_scrub(now, unfinished=0))
        scrubs.begin_due(connection, names, now, seed=region.entropy(16), share=SHARE)
        due = scrubs.claim(connection, names, now, now + _LEASE, due=True)
    if due is None:
        return 0
    try:
        piece(Target(region, due.backend, unpaced(), log), due)
    except BackendError as error:
        log.warning("scrub_postponed", region=region.name, backend=due.backend, error=error.code)
    return 0


def whole_round(
    target: Target, share: float, *, tell: Callable[[int], None], wait: Callable[[float], None]
) -> Round:
    """Scrub a whole backend, or finish a round under way that reads no smaller share.

    ``tell`` is called with the number of keys so far. Raises BackendError; finished pieces count.
    """
    region, name = target.region, target.backend
    now = region.clock.now()
    with region.catalog.begin() as connection:
        scrubs.register(connection, [name], now)
        scrubs.begin_now(connection, name, now, seed=region.entropy(16), share=share)
    while True:
        with region.catalog.begin() as connection:
            now = region.clock.now()
            claimed = scrubs.claim(connection, [name], now, now + _LEASE, due=False)
            state = scrubs.show(connection, [name])[name]
        tell(state.tally.keys)
        if state.started is None:
            return state
        if claimed is not None:
            piece(target, claimed)
        else:
            wait(_WAIT)  # another process is at it


def piece(target: Target, round_: Round) -> None:
    """Continue a claimed round for one bounded piece, and release it.

    Raises BackendError; the round is then due again after a minute.
    """
    walk = _Walk(target, round_)
    over, due = False, target.region.clock.now() + _AGAIN
    try:
        over = walk.go()
        due = target.region.clock.now()
        if over:
            _forget_unseen(target, round_)
    finally:
        now, tally = target.region.clock.now(), walk.tally
        with target.region.catalog.begin() as connection:
            if over:
                again = next_scrub(now, unfinished=tally.unfinished)
                scrubs.finish(connection, round_, tally, now, due=again)
            else:
                scrubs.save(connection, round_, walk.after, tally, due=due)
        walk.tell()


class _Walk:
    """One piece under way. ``after``: the last key that is done."""

    def __init__(self, target: Target, round_: Round) -> None:
        self.after, self.tally = round_.after, deepcopy(round_.tally)
        self._target, self._round = target, round_
        self._lawful = cache(target.lawful)  # for this piece

    def go(self) -> bool:
        """Whether the end of the listing is reached."""
        begun, asked = self.tally.keys, self._target.rate.taken
        shown = listing(self._target, "", self.after)
        rows = _rows(self._target, self.after)
        for key, row, there in _merge(rows, shown):
            self.tally.keys += 1
            marked = is_key(key)  # a foreign name cannot be a position to continue from
            if marked:
                self._examine(key, row, there)
                self.after = key
            else:
                self.tally.add(Finding.FOREIGN, Done.UNREPAIRED, None)
            looked = self.tally.keys - begun >= KEYS
            if marked and (looked or self._target.rate.taken - asked >= REQUESTS):
                return False  # before the next key is asked for
        return True

    def tell(self) -> None:
        """Log what this piece has found, by kind."""
        for (finding, done), found in self.tally.found.items():
            before = self._round.tally.found.get((finding, done))
            count = found.count - (before.count if before else 0)
            if count:
                self._target.log.warning(
                    "scrub_found",
                    region=self._target.region.name,
                    backend=self._target.backend,
                    finding=finding.name.lower(),
                    done=done.name.lower(),
                    count=count,
                )

    def _examine(self, key: str, row: Row | None, there: Traces) -> None:
        target = self._target
        finding, corrupt = target.judge(row, there, lawful=self._lawful), False
        if finding is None and row is not None and self._to_be_read(row):
            self.tally.read += 1
            corrupt = not self._reads_well(row)
        if finding is None and not corrupt:
            return
        inspected = inspect(target, key)
        if inspected is None:
            return
        again, now = inspected
        finding = target.judge(again, now)
        if finding is None and corrupt and again == row:
            finding = Finding.CORRUPT
        if finding is not None:
            self.tally.add(finding, repair(target, finding, key, again), key)

    def _to_be_read(self, row: Row) -> bool:
        stored = row.state is ReplicaState.STORED and row.expected.stored
        return stored and sampled(self._round.seed, row.key, self._round.share)

    def _reads_well(self, row: Row) -> bool:
        """Asked twice, if need be: bytes may be lost on the way, too."""
        target = self._target
        return any(intact(target, target.backend, row.key, row) for _ in range(2))


def _merge(
    rows: Iterator[Row], listing: Iterator[Traces]
) -> Iterator[tuple[str, Row | None, Traces]]:
    """Each key that is in either stream, once, in their order."""
    row, shown = next(rows, None), next(listing, None)
    while row is not None or shown is not None:
        if shown is None or (row is not None and row.key < shown.key):
            assert row is not None
            yield row.key, row, Traces(row.key, None, 0)
            row = next(rows, None)
        elif row is None or shown.key < row.key:
            yield shown.key, None, shown
            shown = next(listing, None)
        else:
            yield row.key, row, shown
            row, shown = next(rows, None), next(listing, None)


def _rows(target: Target, after: str) -> Iterator[Row]:
    while True:
        with target.region.catalog.begin() as connection:
            page = scrubs.rows(connection, target.backend, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _forget_unseen(target: Target, round_: Round) -> None:
    """Strays that the whole round has not seen are gone by themselves."""
    assert round_.started is not None
    while True:
        with target.region.catalog.begin() as connection:
            gone = scrubs.delete_unseen_orphans(connection, target.backend, round_.started, _PRUNE)
        if gone < _PRUNE:
            return
