"""Scrub: the catalog against what each backend really has, in both directions.

Two streams in the order of keys are merged: replicas, and the backend's listing. What is in one and
not in the other, or differs, is checked again and repaired (``repair``). How far a round is stands
in the catalog after every piece, so that any process may go on with it; a piece that is done twice
finds nothing the second time.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

from structlog.typing import FilteringBoundLogger

from storage.backends.keys import is_key
from storage.catalog import scrubs
from storage.catalog.scrubs import Round, Row
from storage.errors import BackendError, BackendUnavailable
from storage.model import ReplicaState
from storage.policy import Done, Finding, next_scrub, sampled
from storage.ports import StoredItem
from storage.region import OpenRegion
from storage.workers.scrub.rate import Rate
from storage.workers.scrub.repair import Place, Shown, intact, look, repair, summed

KEYS, REQUESTS = 1000, 100  # a piece ends after so many
SHARE = 0.01  # of the objects, those that the worker reads as a whole in one round
_PAGE = 500  # rows that are held at a time
_LISTED = 1000  # traces that a backend lists in one request
_LEASE = timedelta(minutes=2)
_AGAIN = timedelta(minutes=1)
_WAIT = 1.0  # seconds
_FORGET = 1000


def scrub(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """One piece of one backend whose turn it is. Says 0: more of it is for the next round.

    So scrubbing takes a small part of a worker's time, however much there is to look at.
    """
    names, now = list(region.backends), region.clock.now()
    with region.catalog.begin() as connection:
        scrubs.register(connection, names, next_scrub(now, unfinished=0))
        scrubs.begin_due(connection, names, now, seed=region.entropy(16), share=SHARE)
        due = scrubs.claim(connection, names, now, now + _LEASE, due=True)
    if due is None:
        return 0
    unlimited = Rate(math.inf, clock=lambda: 0.0, sleep=lambda _: None)
    try:
        piece(Place(region, due.backend, unlimited, log), due)
    except BackendError as error:
        log.warning("scrub_put_off", region=region.name, backend=due.backend, error=error.code)
    return 0


def whole_round(
    place: Place, share: float, *, tell: Callable[[int], None], wait: Callable[[float], None]
) -> Round:
    """A whole round of one backend, or the rest of one that is under way and reads as much.

    ``tell`` hears how many keys the round has looked at. Raises BackendError; what is done by then
    stays done.
    """
    region, name = place.region, place.backend
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
            piece(place, claimed)
        else:
            wait(_WAIT)  # another process is at it


def piece(place: Place, round_: Round) -> None:
    """Go on with a claimed round for one bounded piece, and give it back.

    Raises BackendError; the round is then due again a little later.
    """
    walk = _Walk(place, round_)
    over, due = False, place.region.clock.now() + _AGAIN
    try:
        over = walk.go()
        due = place.region.clock.now()
        if over:
            _forget_unseen(place, round_)
    finally:
        now, tally = place.region.clock.now(), walk.tally
        with place.region.catalog.begin() as connection:
            if over:
                again = next_scrub(now, unfinished=tally.unfinished)
                scrubs.finish(connection, round_, tally, now, due=again)
            else:
                scrubs.save(connection, round_, walk.after, tally, due=due)
        walk.tell()


class _Walk:
    """One piece on its way: ``after`` is the last key that is done."""

    def __init__(self, place: Place, round_: Round) -> None:
        self.after, self.tally = round_.after, deepcopy(round_.tally)
        self._place, self._round = place, round_

    def go(self) -> bool:
        """Whether the end of the listing is reached."""
        begun, asked, marked = self.tally.keys, self._place.rate.taken, False
        shown = _listing(self._place, self.after)
        rows = _rows(self._place, self.after)
        for key, row, there in _merge(rows, shown):
            looked = self.tally.keys - begun >= KEYS
            if marked and (looked or self._place.rate.taken - asked >= REQUESTS):
                return False
            self.tally.keys += 1
            marked = is_key(key)  # what is no key is no mark to go on from
            if marked:
                self._examine(key, row, there)
                self.after = key
            else:
                self.tally.add(Finding.FOREIGN, Done.UNREPAIRED, None)
        return True

    def tell(self) -> None:
        """Log what this piece has found, by kind."""
        for (finding, done), found in self.tally.found.items():
            before = self._round.tally.found.get((finding, done))
            count = found.count - (before.count if before else 0)
            if count:
                self._place.log.warning(
                    "scrub_found",
                    region=self._place.region.name,
                    backend=self._place.backend,
                    finding=finding.value,
                    done=done.value,
                    count=count,
                )

    def _examine(self, key: str, row: Row | None, there: Shown) -> None:
        place = self._place
        finding, spoilt = place.judge(row, there), False
        if finding is None and row is not None and self._to_be_read(row):
            self.tally.read += 1
            spoilt = not self._reads_well(row)
        if finding is None and not spoilt:
            return
        looked = look(place, key)
        if looked is None:
            return
        again, now_there = looked
        finding = place.judge(again, now_there)
        if finding is None and spoilt and again == row:
            finding = Finding.CORRUPT
        if finding is not None:
            self.tally.add(finding, repair(place, finding, key, again), key)

    def _to_be_read(self, row: Row) -> bool:
        stored = row.state is ReplicaState.STORED and row.expected.stored
        return stored and sampled(self._round.seed, row.key, self._round.share)

    def _reads_well(self, row: Row) -> bool:
        """Asked twice, if need be: bytes may be lost on the way, too."""
        place = self._place
        return any(intact(place, place.backend, row.key, row) for _ in range(2))


def _merge(
    rows: Iterator[Row], listing: Iterator[Shown]
) -> Iterator[tuple[str, Row | None, Shown]]:
    """Each key that is in either stream, once, in their order."""
    row, shown = next(rows, None), next(listing, None)
    while row is not None or shown is not None:
        if shown is None or (row is not None and row.key < shown.key):
            assert row is not None
            yield row.key, row, Shown(row.key, None, 0)
            row = next(rows, None)
        elif row is None or shown.key < row.key:
            yield shown.key, None, shown
            shown = next(listing, None)
        else:
            yield row.key, row, shown
            row, shown = next(rows, None), next(listing, None)


def _rows(place: Place, after: str) -> Iterator[Row]:
    while True:
        with place.region.catalog.begin() as connection:
            page = scrubs.rows(connection, place.backend, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _listing(place: Place, after: str) -> Iterator[Shown]:
    found = place.region.backends[place.backend].scan(after=after)
    for key, traces in groupby(_paced(found, place.rate), key=attrgetter("key")):
        if key <= after:
            raise BackendUnavailable(place.backend, "its listing is not in the order of keys")
        yield summed(key, traces)
        after = key


def _paced(traces: Iterator[StoredItem], rate: Rate) -> Iterator[StoredItem]:
    """A page of a listing is one request."""
    rate.take()
    for number, trace in enumerate(traces, 1):
        yield trace
        if number % _LISTED == 0:
            rate.take()


def _forget_unseen(place: Place, round_: Round) -> None:
    """Strays that the whole round has not seen are gone by themselves."""
    assert round_.started is not None
    while True:
        with place.region.catalog.begin() as connection:
            gone = scrubs.delete_unseen_orphans(connection, place.backend, round_.started, _FORGET)
        if gone < _FORGET:
            return
