"""Which lanes are flushed, in which order, and which of them together."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, ParamSpec, TypeVar, cast
from uuid import uuid4

import pytest

from storage.catalog.tenants import TenantTerms
from storage.errors import Busy
from storage.model import DataClass, RecordId, TenantSpec
from storage.packs.answers import Pending
from storage.packs.queue import Batches, Lanes
from storage.packs.sealed import LaneKey, SealedRecord
from storage.pool import Pool
from storage.region import Limits
from tests.support.stories.single_thread import Later

P = ParamSpec("P")
T = TypeVar("T")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = date(2026, 3, 30)
PLACE, OTHER = ("eu-a", "eu-b"), ("own-a", "own-b")
SLOW = Limits(linger=60.0)


def record(
    tenant: str, place: tuple[str, ...] = PLACE, *, size: int = 10, shared: bool = False
) -> SealedRecord:
    """Return a sealed record of a tenant."""
    key = LaneKey(place, place, 1, DAY, None if shared else tenant)
    unique = uuid4().bytes
    record_id = RecordId.mint(
        DataClass.PROMPT, "eu-central-1", NOW, DAY, tenant=tenant, entropy=lambda n: unique[:n]
    )
    terms = TenantTerms(TenantSpec(tenant, "x", "eu-central-1", "EU"), 1)
    made = SealedRecord(
        Pending(), terms, record_id, None, key, bytes(32), streamed=False, placed=DAY
    )
    made.sealed = bytes(size)
    return made


class Flushed:
    """The flushes so far, as the tenants whose packs are in each. One waits while it is held."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.records: list[int] = []  # of each flush
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Semaphore(0)

    def __call__(self, batches: Batches) -> None:
        self.calls.append([batch[0].tenant for batch in batches])
        self.records.append(sum(map(len, batches)))
        self.begun.release()
        assert self.open.wait(20)
        for batch in batches:
            for one in batch:
                one.succeed()


class Drained(Pool):
    """A pool that tells each time that one of its threads has found nothing more to flush."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "flush")
        self.ended = threading.Semaphore(0)

    def submit(self, call: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> Future[T]:
        future = super().submit(call, *args, **options)
        future.add_done_callback(lambda _: self.ended.release())
        return future


@contextmanager
def lanes(
    flushed: Flushed, threads: int, limits: Limits = SLOW, *, pool: Pool | None = None
) -> Iterator[Lanes]:
    """Return lanes that are flushed by so many threads."""
    pool = pool or Pool(threads, "flush")
    made = Lanes(limits, flushed, pool)
    try:
        yield made
    finally:
        flushed.open.set()
        made.close(time.monotonic() + 20)
        pool.close(time.monotonic() + 20)


def submit(made: Lanes, one: SealedRecord, *, bulk: bool, wait: float) -> Pending:
    """Queue a record; return its result."""
    answer = made.submit(one, bulk=bulk, wait=wait)
    assert isinstance(answer, Pending)
    return answer


def at_once(limits: Limits, *records: SealedRecord) -> list[list[str]]:
    """Return the flushes of records that are all queued before the first flush."""
    later, flushed = Later(), Flushed()
    made = Lanes(limits, flushed, cast(Executor, later))
    futures = [submit(made, one, bulk=False, wait=1) for one in records]
    later.run()
    assert all(future.done() for future in futures)
    assert not cast(Any, made)._lanes
    return flushed.calls


def test_small_packs_of_different_tenants_share_a_flush() -> None:
    """As many as the limits say; each has a pack of its own."""
    names = [f"t{n}" for n in range(7)]
    found = at_once(Limits(packs=3), *(record(name) for name in names))
    assert found == [names[:3], names[3:6], names[6:]]


def test_what_goes_elsewhere_does_not_go_with_it() -> None:
    """So a backend of one tenant that hangs delays no other tenant."""
    found = at_once(SLOW, record("a"), record("b", OTHER), record("c"), record("d", OTHER))
    assert found == [["a", "c"], ["b", "d"]]


def test_a_shared_pack_goes_alone() -> None:
    """It may have records of every tenant, and no record may be in two packs of one flush."""
    found = at_once(SLOW, record("a", shared=True), record("b"), record("c", shared=True))
    assert found == [["a"], ["b"]]


def test_two_packs_of_a_tenant_do_not_share_a_flush() -> None:
    """The one might have a record that derives from one of the other."""
    first, second = record("a"), record("a")
    other = LaneKey(PLACE, PLACE, 1, date(2026, 3, 7), "a")
    second = SealedRecord(
        Pending(), second.terms, second.id, None, other, bytes(32), streamed=False, placed=DAY
    )
    assert at_once(SLOW, first, second, record("b")) == [["a", "b"], ["a"]]


@pytest.mark.parametrize("limits", [Limits(pack=25), Limits(pack_records=2)])
def test_large_packs_do_not_share_a_flush(limits: Limits) -> None:
    """Together they are at most as large as one pack may be."""
    found = at_once(limits, *(record(name) for name in "abc"))
    assert found == [["a", "b"], ["c"]]


def test_a_bulk_write_that_waits_keeps_no_thread_from_others() -> None:
    """A single thread flushes what is urgent, while 50 packs of other tenants fill."""
    flushed = Flushed()
    with lanes(flushed, threads=1) as made:
        filling = [submit(made, record(f"t{n}"), bulk=True, wait=1) for n in range(50)]
        submit(made, record("urgent"), bulk=False, wait=1).result(10)
        assert flushed.calls == [["urgent"]]
        assert not any(future.done() for future in filling)


def test_bulk_writes_of_many_tenants_wait_at_the_same_time() -> None:
    """Not one after the other: with one thread, 200 packs are written when the time is over."""
    flushed, linger = Flushed(), 0.2
    with lanes(flushed, threads=1, limits=Limits(linger=linger)) as made:
        begun = time.monotonic()
        futures = [submit(made, record(f"t{n}"), bulk=True, wait=1) for n in range(200)]
        for future in futures:
            future.result(10)
        assert time.monotonic() - begun < 200 * linger / 4


def test_a_pack_that_is_full_waits_no_longer() -> None:
    """Whatever time it has left."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(linger=60.0, pack_records=3)) as made:
        futures = [submit(made, record("a"), bulk=True, wait=1) for _ in range(3)]
        assert all(future.result(10).stored for future in futures)


def together(made: Lanes, flushed: Flushed) -> None:
    """Have the records of four callers flushed at once: one was answered, and three waited."""
    flushed.open.clear()
    first = submit(made, record("t", shared=True), bulk=False, wait=1)
    assert flushed.begun.acquire(timeout=10)
    rest = [submit(made, record("t", shared=True), bulk=False, wait=1) for _ in range(3)]
    flushed.open.set()
    assert first.result(10).stored
    back = submit(made, record("t", shared=True), bulk=False, wait=1)
    assert all(answer.result(10).stored for answer in (back, *rest))
    assert flushed.begun.acquire(timeout=10)
    with cast(Any, made)._changed:
        assert cast(Any, made)._changed.wait_for(lambda: not cast(Any, made)._lanes, timeout=10)


def test_callers_who_were_answered_together_are_flushed_together_again() -> None:
    """The first that comes back waits for the others, so that a pack does not hold one record."""
    flushed = Flushed()
    with lanes(flushed, threads=4, limits=Limits(gather=60.0)) as made:
        together(made, flushed)
        again = [submit(made, record("t", shared=True), bulk=False, wait=1) for _ in range(4)]
        assert all(answer.result(10).stored for answer in again)
        assert flushed.records == [1, 4, 4]


def test_a_bulk_write_whose_caller_waits_is_flushed() -> None:
    """The caller adds nothing while it waits, so the pack would not fill."""
    flushed = Flushed()
    with lanes(flushed, threads=1) as made:
        one = record("t", shared=True)
        answer = submit(made, one, bulk=True, wait=1)
        made.urge(one.lane, one.name)
        assert answer.result(10).stored


def test_what_is_waited_for_during_a_flush_goes_with_the_next() -> None:
    """It does not wait for its pack to fill then."""
    flushed = Flushed()
    with lanes(flushed, threads=1) as made:
        first, second = record("t", shared=True), record("t", shared=True)
        flushed.open.clear()
        answers = [submit(made, first, bulk=True, wait=1)]
        made.urge(first.lane, first.name)
        assert flushed.begun.acquire(timeout=10)
        answers.append(submit(made, second, bulk=True, wait=1))
        made.urge(second.lane, second.name)
        flushed.open.set()
        assert all(answer.result(10).stored for answer in answers)


def test_who_waits_for_what_is_being_written_hurries_no_one() -> None:
    """Its record is on its way: the next pack goes on filling, with those of others."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(linger=60.0, pack_records=3)) as made:
        first = record("t", shared=True)
        flushed.open.clear()
        waited = submit(made, first, bulk=True, wait=1)
        made.urge(first.lane, first.name)
        assert flushed.begun.acquire(timeout=10)
        rest = [submit(made, record("t", shared=True), bulk=True, wait=1) for _ in range(2)]
        made.urge(first.lane, first.name)
        flushed.open.set()
        assert waited.result(10).stored
        for _ in range(2):  # each after what was ready before it
            assert submit(made, record("other"), bulk=False, wait=1).result(10).stored
        rest.append(submit(made, record("t", shared=True), bulk=True, wait=1))
        assert all(answer.result(10).stored for answer in rest)
    assert flushed.records == [1, 1, 1, 3]


def test_a_single_caller_does_not_wait() -> None:
    """After a flush of one caller, no others are expected."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(gather=60.0)) as made:
        for _ in range(3):
            submit(made, record("t", shared=True), bulk=False, wait=1).result(10)
        assert flushed.records == [1, 1, 1]


def test_a_caller_does_not_wait_long_for_those_that_do_not_come_back() -> None:
    """They may have been answered for the last time."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(gather=0.05)) as made:
        together(made, flushed)
        assert submit(made, record("t", shared=True), bulk=False, wait=1).result(10).stored
        assert flushed.records[-1] == 1


def test_closing_flushes_what_waits_for_other_callers() -> None:
    """Nobody comes back to a store that is closed."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(gather=60.0)) as made:
        together(made, flushed)
        last = submit(made, record("t", shared=True), bulk=False, wait=1)
        made.close(time.monotonic() + 10)
        assert last.result(0).stored


def test_bulk_writes_do_not_wait_for_callers() -> None:
    """A full pack goes, however many callers were answered."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(gather=60.0, pack_records=4)) as made:
        together(made, flushed)
        bulk = [submit(made, record("t", shared=True), bulk=True, wait=1) for _ in range(4)]
        assert all(answer.result(10).stored for answer in bulk)


def test_what_waits_for_a_flush_under_way_goes_together() -> None:
    """At most two flushes to the same backends at a time; other backends are not held up."""
    flushed, pool = Flushed(), Drained(8)
    with lanes(flushed, threads=8, pool=pool) as made:
        flushed.open.clear()
        first = []
        for name in ("a", "b"):
            first.append(submit(made, record(name), bulk=False, wait=1))
            assert flushed.begun.acquire(timeout=10)
        rest = [submit(made, record(name), bulk=False, wait=1) for name in "cdef"]
        for _ in rest:
            assert pool.ended.acquire(timeout=10)
        other = submit(made, record("own", OTHER), bulk=False, wait=1)
        assert flushed.begun.acquire(timeout=10)
        assert flushed.calls == [["a"], ["b"], ["own"]]
        flushed.open.set()
        for future in (*first, *rest, other):
            future.result(10)
    assert [name for call in flushed.calls[3:] for name in call] == list("cdef")
    assert len(flushed.calls) <= 5


def test_many_small_records_do_not_exhaust_the_memory() -> None:
    """What a record takes beside its body counts: 32 do not fit into 64 KiB, however small."""
    flushed = Flushed()
    with lanes(flushed, threads=1, limits=Limits(buffer=64 * 1024)) as made:
        flushed.open.clear()
        for n in range(31):
            submit(made, record(f"t{n}", size=1), bulk=False, wait=0)
        with pytest.raises(Busy):
            submit(made, record("one more", size=1), bulk=False, wait=0)
