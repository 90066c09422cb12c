"""Rounds of a scrub: interrupted and continued, in constant memory, within the rate."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise

import pytest
import structlog
from sqlalchemy import text

from storage.catalog.scrubs import Row
from storage.errors import BackendError, BackendUnavailable
from storage.model import DataClass
from storage.ports import ItemKind, StoredItem
from storage.testing import Domicile, Gate
from storage.workers.scrub import rounds as scrubbing
from storage.workers.scrub.repair import Rate, Target, Traces
from storage.workers.scrub.rounds import scrub, whole_round
from tests.support.actions import work
from tests.support.inspect.stored import home
from tests.support.scrubs import (
    Listing,
    findings,
    keys_of,
    of_the_log,
    place,
    run,
    scrubbed,
    state_of,
)
from tests.support.second_store import second_store

pytestmark = pytest.mark.one_region

MANY = 50_000
MAKE_MANY = """
WITH made AS (
  INSERT INTO object
    (id, kind, state, day, backends, size, digest, announced, deadline, family)
  SELECT lpad(to_hex(n), 32, '0')::uuid, 'pack', 'stored', '2026-04-01', '{eu-a}', 7, '', now(),
    now(), lpad(to_hex(n), 32, '0')::uuid
  FROM generate_series(1, :many) AS n
  RETURNING id
)
INSERT INTO replica (id, object_id, backend, key, state, land_by)
SELECT id, id, 'eu-a', 'pack/2026-04-01/' || replace(id::text, '-', ''), 'stored', now() FROM made
"""


def many_keys(after: str, many: int = MANY) -> Iterator[StoredItem]:
    """Yield as many keys, one at a time."""
    first = int(after.rpartition("/")[2], 16) + 1 if after else 1
    for number in range(first, many + 1):
        yield StoredItem(f"pack/2026-04-01/{number:032x}", ItemKind.OBJECT, 7)


def test_memory_does_not_grow_with_the_number_of_keys(domicile: Domicile) -> None:
    """One page of rows and one key of the listing are in memory at a time."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(MAKE_MANY), {"many": MANY})
        connection.execute(text("ANALYZE object"))
        connection.execute(text("ANALYZE replica"))
    held: list[int] = []
    looks = count()

    def scan(prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        for number, trace in enumerate(many_keys(after)):
            if number % 999 == 998 and next(looks) % 10 == 0:
                objects = gc.get_objects()
                held.append(sum(1 for o in objects if isinstance(o, Row | StoredItem | Traces)))
                del objects
            yield trace

    domicile.backends["eu-a"].inner.scan = scan  # type: ignore[method-assign]
    tally = run(domicile).tally

    assert tally.found == {}
    assert tally.keys - MANY in (0, 1)  # there may be a canary
    assert len(held) >= 5
    assert max(held) < 2 * scrubbing._PAGE


@pytest.fixture
def wrong(domicile: Domicile) -> list[str]:
    """Put packs on both backends; remove every other one from the first."""
    t = domicile.tenant()
    for number in range(12):
        t.put(DataClass.PROMPT, b"%d" % number)
    work(domicile)
    lost = keys_of(domicile)[::2]
    for key in lost:
        domicile.backends["eu-a"].inner.purge(key)
    return lost


@pytest.mark.parametrize("call", range(1, 7))
@pytest.mark.usefixtures("wrong")
def test_another_process_goes_on_where_one_was_killed(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """No key is left out or counted twice, wherever it was killed."""
    monkeypatch.setattr(scrubbing, "KEYS", 2)
    asked = iter(range(1, 1000))

    def die(_: str) -> BackendError | None:
        if next(asked) == call:
            raise SystemExit
        return None

    domicile.backends["eu-a"].fail_before["list_key"] = die
    with pytest.raises(SystemExit):
        run(domicile)
    domicile.backends["eu-a"].fail_before.clear()
    half = state_of(domicile)
    assert half.started is not None

    with second_store(domicile) as other:
        domicile.pass_time(minutes=3)
        done = whole_round(place(domicile, store=other), 0, tell=print, wait=_nobody)

    assert findings(done.tally) == {"missing/replacing": 6}
    work(domicile, hours=1)
    assert scrubbed(domicile, share=1.0) == {}


def test_a_backend_that_fails_on_the_way(
    domicile: Domicile, wrong: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished pieces stay finished, and the worker continues when the backend is back."""
    monkeypatch.setattr(scrubbing, "KEYS", 4)
    backend = domicile.backends["eu-a"]
    calls = iter(range(1000))
    backend.fail_before["list_key"] = lambda _: (
        BackendUnavailable("eu-a") if next(calls) > 2 else None
    )

    with pytest.raises(BackendUnavailable):
        run(domicile)
    assert findings(state_of(domicile).tally) == {"missing/replacing": 3}
    domicile.take_down("eu-a")
    work(domicile, minutes=2)
    assert findings(state_of(domicile).tally) == {"missing/replacing": 3}

    backend.fail_before.clear()
    domicile.bring_back("eu-a")
    for _ in range(4):
        work(domicile, minutes=2)
    state = state_of(domicile)
    assert (state.started, findings(state.tally)) == (None, {"missing/replacing": 6})


def test_a_listing_out_of_order_is_not_believed(domicile: Domicile, wrong: list[str]) -> None:
    """No replica is marked missing because a listing is out of order."""
    Listing(domicile.backends["eu-a"], lambda found: iter(sorted(found, key=_backwards)))

    with pytest.raises(BackendUnavailable, match="order"):
        run(domicile)


def _backwards(trace: StoredItem) -> str:
    return trace.key[::-1]


def test_two_processes_do_not_scrub_one_backend_at_the_same_time(
    domicile: Domicile, wrong: list[str]
) -> None:
    """The second process waits, and finds the round finished."""
    gate = Gate()
    backend = domicile.backends["eu-a"]
    backend.gates["list_key"] = gate
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        gate.open.set()

    with ThreadPoolExecutor(1) as aside, second_store(domicile) as other:
        first = aside.submit(run, domicile)
        assert gate.reached.wait(30)
        scans = backend.count("scan")
        done = whole_round(place(domicile, store=other), 0, tell=print, wait=wait)
        first.result(30)

    assert waited
    assert backend.count("scan") == scans
    assert findings(done.tally) == {"missing/replacing": len(wrong)}


def test_a_process_that_stood_still_changes_nothing_when_it_goes_on(
    domicile: Domicile, wrong: list[str]
) -> None:
    """Its lease had expired, and another process has finished the round."""
    gate = Gate()
    backend = domicile.backends["eu-a"]
    backend.gates["list_key"] = gate
    with ThreadPoolExecutor(1) as aside, second_store(domicile) as other:
        first = aside.submit(run, domicile)
        assert gate.reached.wait(30)
        del backend.gates["list_key"]
        domicile.pass_time(minutes=3)
        done = whole_round(place(domicile, store=other), 0, tell=print, wait=_nobody)
        gate.open.set()
        late = first.result(30)

    assert state_of(domicile) == late == done
    assert findings(done.tally) == {"missing/replacing": len(wrong)}


def test_each_page_of_a_listing_is_a_request(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little it finds."""
    monkeypatch.setattr(scrubbing, "KEYS", 10_000)  # one piece
    names = (StoredItem(f"No key {number:04}", ItemKind.OBJECT, 1) for number in range(2500))
    Listing(domicile.backends["eu-a"], lambda _: names)
    scrubbed_place = place(domicile)

    whole_round(scrubbed_place, 0, tell=lambda _: None, wait=_nobody)

    assert scrubbed_place.rate.taken == 3


@pytest.mark.parametrize("rate", [2.0, 40.0])
def test_requests_come_no_faster_than_the_rate(
    domicile: Domicile, wrong: list[str], rate: float
) -> None:
    """Listings, checks, reads and purges count together, evenly and without bursts."""
    now = [0.0]
    sent: list[float] = []

    def at(_: str) -> None:
        sent.append(now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    for name in ("eu-a", "eu-b"):
        for call in ("scan", "list_key", "get", "purge"):
            domicile.backends[name].fail_before[call] = at
    limit = Rate(rate, clock=lambda: now[0], sleep=sleep)
    slow = Target(home(domicile), "eu-a", limit, structlog.get_logger())
    whole_round(slow, 1.0, tell=lambda _: None, wait=_nobody)

    assert len(sent) >= 20  # a listing, seven reads, two looks for each that is lost
    assert all(later - before >= 0.999 / rate for before, later in pairwise(sent))


def test_time_that_was_not_used_makes_no_burst() -> None:
    """After an idle hour the second request waits as always."""
    now = [0.0]
    slept: list[float] = []
    limit = Rate(10, clock=lambda: now[0], sleep=slept.append)
    now[0] = 3600.0

    limit.take()
    limit.take()

    assert slept == [pytest.approx(0.1)]


def test_the_worker_scrubs_each_backend_once_a_week(domicile: Domicile) -> None:
    """One piece per round, and only when due."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    work(domicile)
    names = ("eu-a", "eu-b")
    before = [domicile.backends[name].count("scan") for name in names]
    counts = []
    for days in (6.9, 0.2, 6.9, 0.2):
        domicile.pass_time(days=days)
        for _ in range(3):
            scrub(home(domicile), structlog.get_logger())
        now = [domicile.backends[name].count("scan") for name in names]
        counts.append([b - a for a, b in zip(before, now, strict=True)])

    assert counts == [[0, 0], [1, 1], [1, 1], [2, 2]]


def test_a_piece_needs_one_page_of_a_listing(domicile: Domicile) -> None:
    """A page has 1000 keys: what a piece does not examine is not asked for."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(MAKE_MANY), {"many": 2500})
    asked: list[int] = []

    def scan(prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        asked.append(0)
        for item in many_keys(after, 2500):
            asked[-1] += 1
            yield item

    domicile.backends["eu-a"].inner.scan = scan  # type: ignore[method-assign]
    whole_round(place(domicile), 0, tell=lambda _: None, wait=_nobody)

    assert sum(asked) >= 2500
    assert max(asked) <= 1000


@pytest.mark.parametrize("limit", ["KEYS", "REQUESTS"])
@pytest.mark.usefixtures("wrong")
def test_a_piece_of_the_worker_is_bounded(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """In keys and in requests, so that other duties do not wait."""
    monkeypatch.setattr(scrubbing, limit, 3)
    work(domicile)
    domicile.pass_time(days=8)
    region, backend = home(domicile), domicile.backends["eu-a"]
    pieces = []
    for _ in range(40):
        before, keys = len(backend.calls), state_of(domicile).tally.keys
        assert scrub(region, structlog.get_logger()) == 0
        pieces.append((state_of(domicile).tally.keys - keys, len(backend.calls) - before))

    assert max(keys for keys, _ in pieces) <= (3 if limit == "KEYS" else 13)
    assert max(calls for _, calls in pieces) <= 8
    assert findings(state_of(domicile).tally) == {"missing/replacing": 6}
    assert state_of(domicile).finished is not None


@pytest.mark.parametrize(("first", "then", "share"), [(0.0, 1.0, 1), (1.0, 0.0, 1), (0.0, 0.0, 0)])
def test_a_round_that_reads_less_is_begun_anew(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, first: float, then: float, share: int
) -> None:
    """A request for more reading begins a new round; a round that reads more is continued."""
    monkeypatch.setattr(scrubbing, "KEYS", 2)
    t = domicile.tenant()
    for number in range(12):
        t.put(DataClass.PROMPT, b"%d" % number)
    work(domicile)
    backend = domicile.backends["eu-a"]
    scans = iter(range(1000))
    backend.fail_before["scan"] = lambda _: BackendUnavailable("eu-a") if next(scans) > 2 else None
    with pytest.raises(BackendUnavailable):
        run(domicile, share=first)
    backend.fail_before.clear()

    everything = 13 + of_the_log(domicile)
    assert run(domicile, share=then).tally.read == share * everything


def test_a_sample_is_a_share_and_another_each_time(domicile: Domicile) -> None:
    """Over time every object is read."""
    t = domicile.tenant()
    for number in range(40):
        t.put(DataClass.PROMPT, b"%d" % number)
    work(domicile)
    samples = []
    for _ in range(2):
        before = len(domicile.backends["eu-a"].calls)
        tally = run(domicile, share=0.5).tally
        calls = domicile.backends["eu-a"].calls[before:]
        samples.append({key for name, key in calls if name == "get"})
        assert tally.read == len(samples[-1])

    assert all(5 < len(sample) < 35 for sample in samples)
    assert samples[0] != samples[1]


def _nobody(_: float) -> None:
    raise AssertionError("nobody else is at it")
