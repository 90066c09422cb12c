"""Writes that land late: after a timeout, after they were abandoned, after a purge."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from storage.catalog.objects import Replica, replicas_of
from storage.errors import DomicileError
from storage.model import DataClass, Purpose, ReplicaState
from storage.objects.transfer import start
from storage.testing import Call, Domicile, Gate
from tests.support.actions import duty, erase, get, is_complete, packs_on, work
from tests.support.faults.transactions import ANNOUNCING, CatalogFaults, next_is
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    orphans,
    pack_ids,
    wait_until,
)


def test_a_pack_that_takes_longer_than_one_attempt_is_stored(domicile: Domicile) -> None:
    """A pack may need a second wave of attempts: the reaper leaves it alone for that long."""
    t = domicile.tenant()

    def slow(call: Call) -> object:
        domicile.pass_time(seconds=15)
        duty(domicile, "reap")
        return call.proceed()

    domicile.backends["eu-a"].inject(slow, "put", prefix="pack/", times=1)

    put = t.put(DataClass.PROMPT, b"mine")

    assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"


def test_a_put_that_lands_after_its_client_gave_up(domicile: Domicile) -> None:
    """The late replica must be gone, and seen to be gone, before a receipt."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    late = domicile.backends["eu-b"]
    late.land_late = True
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    late.land_late = False
    (sample,) = ciphertexts(domicile, put.id)
    erasure = erase(t)
    work(domicile)
    assert backends_with(domicile, sample) == set()
    late.land()
    assert backends_with(domicile, sample) == {"eu-b"}
    work(domicile)

    assert not is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).outstanding[0].backend == "eu-b"
    work(domicile, seconds=30)
    assert is_complete(domicile, erasure)
    assert backends_with(domicile, sample) == set()


@pytest.mark.parametrize("landed", [False, True])
def test_no_receipt_before_what_failed_can_land(domicile: Domicile, *, landed: bool) -> None:
    """A put without any answer is not stored, and its bytes may still land."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    for backend in domicile.backends.values():
        backend.land_late = True
    with pytest.raises(DomicileError, match="Nothing is stored"):
        t.put(DataClass.PROMPT, b"mine", subject="u")
    for backend in domicile.backends.values():
        backend.land_late = False
    before = len(packs_on(domicile))
    erasure = erase(t)
    work(domicile)
    assert not is_complete(domicile, erasure)
    if landed:
        for backend in domicile.backends.values():
            backend.land()
        assert len(packs_on(domicile)) == before + 2
    work(domicile)
    assert not is_complete(domicile, erasure)

    work(domicile, seconds=30)
    assert is_complete(domicile, erasure)
    assert len(packs_on(domicile)) == before
    assert orphans(home(domicile)) == []


def test_a_writer_that_stands_still_sends_nothing_when_it_wakes(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """Its pack was abandoned and pruned meanwhile: its bytes would have no row."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")

    def stand_still(_: int) -> None:
        for _ in range(3):
            work(domicile, hours=1)

    faults.at_commit(ANNOUNCING, after=stand_still)
    with pytest.raises(DomicileError) as caught:
        t.put(DataClass.PROMPT, b"mine", subject="u")

    assert caught.value.outcome == "not_stored"
    assert orphans(home(domicile)) == []


def test_what_waits_for_a_sender_is_not_sent_after_its_time(
    domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """All senders wait for a backend that hangs. Abandoned writes are not sent when it answers."""
    region = home(domicile)
    domicile.tenant().put(DataClass.PROMPT, b"the day key is made")
    (attempt,) = _attempts(domicile)[:1]
    busy = Gate()
    with ThreadPoolExecutor(1) as senders:
        narrow = replace(region, pool=senders, limits=replace(region.limits, attempt=0.05))
        senders.submit(busy.wait)
        before = domicile.backends[attempt.backend].count("put")
        until = region.deadline(region.clock.now())
        sent = start(narrow, [attempt], b"late", until=until)()
        busy.open.set()

    assert sent.stored == []
    assert domicile.backends[attempt.backend].count("put") == before


def test_a_writer_that_is_late_does_not_stop_the_worker(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """The reaper and a commit lock the same rows: no deadlock, and one of them wins."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    faults.at_statement(next_is("SET state=", "SET state="), lambda _: gate.wait())
    put = aside.submit(t.put, DataClass.PROMPT, b"mine")
    assert gate.reached.wait(30)
    domicile.pass_time(minutes=1)
    reaping = aside.submit(duty, domicile, "reap")
    wait_until(lambda: reaping.done() or faults.lock_waiters() > 0)
    gate.open.set()

    reaping.result(30)
    assert get(t, put.result(30).id) == b"mine"


def _attempts(domicile: Domicile) -> list[Replica]:
    """Return the replicas of the newest pack."""
    region = home(domicile)
    newest = pack_ids(region)[-1]
    with region.catalog.begin() as connection:
        return replicas_of(connection, [newest], list(ReplicaState))[newest]
