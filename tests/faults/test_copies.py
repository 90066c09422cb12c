"""Copies at processors: raced by erasures, landed late, and unanswered.

A process that dies in the middle is in ``tests/crashpoints/processor_copies.py``.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from storage.errors import CatalogUnavailable, Erased, ProcessorTimeout, ProcessorUnavailable
from storage.model import Erasure
from storage.testing import Call, Domicile, FakeProcessor, Gate, wait_at
from tests.support.actions import duty, erase, is_complete, put_prompt, work
from tests.support.faults.transactions import CatalogFaults, ran
from tests.support.inspect.stored import HOME, wait_until
from tests.support.second_store import second_store

pytestmark = pytest.mark.one_region

NAME = "klarblick"
ANNOUNCING_COPY = ran("INSERT INTO processor_copy")
DELIVERED = ran("UPDATE processor_copy SET", "land_by=")
CONFIRMING = ran("UPDATE processor_copy SET", "acknowledged=")


def processor(domicile: Domicile) -> FakeProcessor:
    """Return the processor itself."""
    return domicile.processors[NAME]


def known(domicile: Domicile) -> set[UUID]:
    """Return the copies that the catalog does not know to be gone."""
    return {copy.id for copy in domicile.store.admin.processors.copies(HOME)}


def finish(domicile: Domicile, *erasures: Erasure) -> None:
    """Work until the erasures are complete. No receipt comes while the processor has a copy."""
    for _ in range(8):
        work(domicile, minutes=20)
        for erasure in erasures:
            assert not (is_complete(domicile, erasure) and processor(domicile).copies)
    assert processor(domicile).copies == {}
    assert known(domicile) == set()
    assert all(is_complete(domicile, erasure) for erasure in erasures)


def test_an_erasure_while_the_record_is_read_stops_the_hand_over(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """The fence commits before the announcement: nothing is sent, and there is no row."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].gates["get"] = gate
    handing = aside.submit(t.hand_over, put, NAME)
    assert gate.reached.wait(30)
    erasure = erase(t)
    gate.open.set()

    with pytest.raises(Erased):
        handing.result(30)
    assert processor(domicile).calls == []
    assert known(domicile) == set()
    finish(domicile, erasure)


def test_an_erasure_waits_for_an_announcement_and_finds_it(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """The fence commits after the row, so the copy is asked back, though it arrives later."""
    t = domicile.tenant()
    put, sent = put_prompt(domicile, "u"), Gate()
    domicile.backends["eu-a"].inject(wait_at(sent), "put", prefix="ledger/", times=1)
    erasing = aside.submit(erase, t)
    assert sent.reached.wait(30)
    faults.at_commit(ANNOUNCING_COPY, before=lambda _: gate.wait())
    handing = aside.submit(t.hand_over, put, NAME)
    assert gate.reached.wait(30)
    sent.open.set()  # only the commit of the fence is pending
    wait_until(lambda: faults.lock_waiters() == 1)
    gate.open.set()
    handing.exception(30)
    erasure = erasing.result(30)

    assert len(known(domicile)) == 1
    finish(domicile, erasure)


@pytest.mark.parametrize("seconds", [9, 39, 40.5])
def test_a_ledger_that_takes_its_time(domicile: Domicile, seconds: float) -> None:
    """The delivery keeps its timeout unless it would end after the deadline of the whole call."""
    t = domicile.tenant()
    put, there, given = put_prompt(domicile, "u"), processor(domicile), list[float]()
    real = there.deliver

    def deliver(copy: UUID, content: bytes, *, timeout: float) -> None:
        given.append(timeout)
        real(copy, content, timeout=timeout)

    def slow(call: Call) -> object:
        domicile.clock.advance(timedelta(seconds=seconds))
        return call.proceed()

    there.deliver = deliver  # type: ignore[method-assign]
    domicile.backends["eu-a"].inject(slow, "put", prefix="ledger/", times=1)
    if seconds > 40:
        with pytest.raises(ProcessorUnavailable, match="before the delivery began"):
            t.hand_over(put, NAME)
        assert given == []
    else:
        t.hand_over(put, NAME)
        assert given == [30.0] if seconds < 10 else 0 < given[0] <= 1

    finish(domicile, erase(t))


def test_a_ledger_entry_that_a_worker_resolves_first(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """The slow writer hands over after all: there is a row, and an erasure finds the copy."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    domicile.backends["eu-b"].inject(late(gate), "put", prefix="ledger/", times=1)
    handing = aside.submit(t.hand_over, put, NAME)
    assert gate.reached.wait(30)
    domicile.pass_time(seconds=11)
    duty(domicile, "resolve")
    (copy,) = known(domicile)
    gate.open.set()

    assert handing.result(30).copy == copy
    assert set(processor(domicile).copies) == {copy}
    finish(domicile, erase(t))


def late(gate: Gate) -> Callable[[Call], object]:
    """Return a fault that does the call and answers when the gate opens."""

    def fault(call: Call) -> object:
        done = call.proceed()
        gate.wait()
        return done

    return fault


def test_a_delivery_that_is_under_way_when_it_is_erased(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """It arrives after its deletion was confirmed: that confirmation does not count."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    there = processor(domicile)
    there.gates["deliver"] = gate
    handing = aside.submit(t.hand_over, put, NAME)
    assert gate.reached.wait(30)
    erasure = erase(t)
    work(domicile)
    assert ("confirm", next(iter(known(domicile)))) in there.calls
    assert not is_complete(domicile, erasure)
    gate.open.set()
    with pytest.raises(Erased):
        handing.result(30)

    assert len(there.copies) == 1
    work(domicile)
    assert not is_complete(domicile, erasure)
    finish(domicile, erasure)


def test_a_delivery_that_lands_after_its_timeout(domicile: Domicile) -> None:
    """A confirmation requested within the longest request does not count."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    there = processor(domicile)
    there.land_late = True
    with pytest.raises(ProcessorTimeout):
        t.hand_over(put, NAME)
    erasure = erase(t)
    for _ in range(3):
        work(domicile, minutes=5)
    assert not is_complete(domicile, erasure)
    there.land()
    assert len(there.copies) == 1

    finish(domicile, erasure)


@pytest.mark.parametrize("which", [ANNOUNCING_COPY, DELIVERED], ids=["announcing", "delivered"])
def test_a_commit_whose_answer_is_lost(
    domicile: Domicile,
    faults: CatalogFaults,
    which: Callable[[list[str]], bool],
) -> None:
    """The caller gets an error, and the catalog knows the copy all the same."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    faults.at_commit(which, after=faults.lose)

    with pytest.raises(CatalogUnavailable):
        t.hand_over(put, NAME)

    assert set(processor(domicile).copies) <= known(domicile)
    assert len(known(domicile)) == 1
    finish(domicile, erase(t))


def test_a_confirmation_whose_commit_is_lost_is_asked_for_again(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """A second confirmation completes the erasure."""
    t = domicile.tenant()
    t.hand_over(put_prompt(domicile, "u"), NAME)
    erasure = erase(t)
    faults.at_commit(CONFIRMING, before=faults.lose)
    with pytest.raises(CatalogUnavailable):
        work(domicile)
    assert not is_complete(domicile, erasure)

    finish(domicile, erasure)


def test_two_workers_do_not_ask_for_one_copy_at_the_same_time(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """What one worker has claimed is not claimed by another until the lease expires."""
    t = domicile.tenant()
    t.hand_over(put_prompt(domicile, "u"), NAME)
    erase(t)
    duty(domicile, "plan")
    there = processor(domicile)
    there.gates["request_deletion"] = gate
    first = aside.submit(duty, domicile, "request_deletion")
    assert gate.reached.wait(30)
    with second_store(domicile) as other:
        duty(domicile, "request_deletion", other)
    gate.open.set()
    first.result(30)

    assert [call for call, _ in there.calls].count("request_deletion") == 1


def test_a_processor_that_hangs_holds_up_nothing_else(domicile: Domicile) -> None:
    """A worker waits for a few requests and postpones the rest until the processor is back."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    for _ in range(100):
        t.hand_over(put, NAME)
    erasure = erase(t)
    duty(domicile, "plan")
    there = processor(domicile)
    there.calls.clear()
    there.fail_after["request_deletion"] = ProcessorTimeout(NAME)
    duty(domicile, "request_deletion")

    assert 1 <= len(there.calls) < 64
    there.fail_after.clear()
    finish(domicile, erasure)
