"""Two puts, or a put and an erasure: one is stopped in the middle while the other runs."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.tables import object_
from storage.errors import BackendUnavailable, Erased, IdConflict, TenantConflict
from storage.model import DataClass, NewRecord, PutFailure, PutResult, RecordId, Scope
from storage.testing import SERVICE, Domicile, Gate
from tests.support.actions import (
    GONE,
    duty,
    erase,
    get,
    is_complete,
    packs_on,
    put_file,
    put_prompt,
    work,
)
from tests.support.faults.put_gates import STOPS, Stop, after_announce, after_put
from tests.support.faults.transactions import ANNOUNCING, COMMITTING, CatalogFaults, next_is
from tests.support.inspect.stored import home, object_states, wait_until
from tests.support.second_store import second_store


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("stop", STOPS)
def test_an_erasure_between_the_steps_of_a_put(
    gate: Gate,
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    *,
    stop: Stop,
    planned: bool,
) -> None:
    """The put is refused, and there is no receipt while a backend has its bytes."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    stop(domicile, faults, gate)
    minted = t.new_id(DataClass.PROMPT)
    put = aside.submit(t.put, DataClass.PROMPT, b"mine", id=minted, subject="u")
    assert gate.reached.wait(30)
    erasure = erase(t)
    if planned:
        work(domicile)
    stuck = domicile.backends["eu-b"]
    stuck.fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    gate.open.set()
    with pytest.raises(Erased):
        put.result(30)

    work(domicile)
    with pytest.raises(GONE):
        get(t, minted)
    assert not is_complete(domicile, erasure)
    stuck.fail_before.clear()
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).deleted == 0
    assert len(packs_on(domicile)) == 2


def size_of_packs(domicile: Domicile) -> int:
    """Return the bytes of all stored packs, one replica each."""
    o = object_.c
    stored = (o.kind == ObjectKind.PACK, o.state == ObjectState.STORED)
    with home(domicile).catalog.begin() as connection:
        return int(connection.scalar(select(func.sum(o.size)).where(*stored)) or 0)


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("stop", [after_announce, after_put])
def test_an_erasure_of_one_record_of_a_pack_that_is_being_put(
    gate: Gate,
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    *,
    stop: Stop,
    planned: bool,
) -> None:
    """The other record is stored beside dead bytes. The receipt waits until they are gone."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    stop(domicile, faults, gate)
    mine = os.urandom(2000)
    records = [
        NewRecord(DataClass.PROMPT, mine, t.new_id(DataClass.PROMPT), subject)
        for subject in ("u", "somebody else")
    ]
    putting = aside.submit(lambda: list(t.put_many(records)))
    assert gate.reached.wait(30)
    erasure = erase(t)
    if planned:
        work(domicile)
    gate.open.set()
    refused, stored = putting.result(30)
    assert isinstance(refused, PutFailure)
    assert isinstance(refused.error, Erased)
    assert isinstance(stored, PutResult)

    size = size_of_packs(domicile)
    for _ in range(2):
        work(domicile, hours=1)
        assert not is_complete(domicile, erasure)
    work(domicile, hours=73)
    assert is_complete(domicile, erasure)
    assert size_of_packs(domicile) < size - len(mine) / 2
    assert get(t, stored.id) == mine


@pytest.mark.parametrize("put", [put_prompt, put_file])
def test_an_erasure_while_an_insert_is_not_committed(
    gate: Gate,
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    put: Callable[[Domicile, str], RecordId],
) -> None:
    """The erasure waits for the insert, and erases it, for good."""
    t = domicile.tenant()
    put(domicile, "somebody else")
    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    writing = aside.submit(put, domicile, "u")
    assert gate.reached.wait(30)
    erasing = aside.submit(erase, t)
    wait_until(lambda: erasing.done() or faults.lock_waiters() > 0)
    waited = not erasing.done()
    work(domicile)
    gate.open.set()
    written, erasure = writing.result(30), erasing.result(30)

    with pytest.raises(GONE):
        get(t, written)
    work(domicile)
    work(domicile, hours=26)  # the fence is gone by then
    with pytest.raises(GONE):
        get(t, written)
    assert waited
    assert is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).deleted == 1


def test_an_id_that_is_erased_between_an_insert_and_its_answer(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """A put that finds the id taken and then no record reports Erased."""
    t = domicile.tenant()
    minted = t.new_id(DataClass.PROMPT)
    with second_store(domicile) as other:
        u = other.tenant(t.id)
        u.put(DataClass.PROMPT, b"the day key is made")
        faults.at_commit(ANNOUNCING, after=lambda _: gate.wait())
        put = aside.submit(t.put, DataClass.PROMPT, b"other content", id=minted)
        assert gate.reached.wait(30)
        u.put(DataClass.PROMPT, b"first", id=minted, subject="u")
        erase(u)
        faults.at_statement(
            next_is("SELECT record", "INSERT INTO record"), lambda _: duty(domicile, "plan")
        )
        gate.open.set()

        with pytest.raises(Erased):
            put.result(30)


def test_a_name_that_is_erased_stays_so_for_its_day(domicile: Domicile) -> None:
    """An id minted for the same request key later that day is the same record."""
    t = domicile.tenant()
    domicile.clock.advance(datetime(2026, 3, 2, 0, 1, tzinfo=UTC) - domicile.clock.now())
    put = t.put(DataClass.PROMPT, b"mine", id=t.new_id(DataClass.PROMPT, key="request"))
    erasure = erase(t, Scope.record(put.id))
    work(domicile)
    domicile.pass_time(hours=23, minutes=50)
    again = t.new_id(DataClass.PROMPT, key="request")
    work(domicile, minutes=30)  # a day after the erasure

    assert (again.unique, is_complete(domicile, erasure)) == (put.id.unique, True)
    with pytest.raises(Erased):
        t.put(DataClass.PROMPT, b"mine", id=again)


def test_a_parent_that_is_erased_while_its_child_is_put(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """A record that derives from an erased one is refused, though it names no subject."""
    t = domicile.tenant()
    parent = t.put(DataClass.PROMPT, b"question", subject="u").id
    faults.at_commit(ANNOUNCING, after=lambda _: gate.wait())
    child = t.new_id(DataClass.COMPLETION)
    put = aside.submit(t.put, DataClass.COMPLETION, b"answer", id=child, derived_from=[parent])
    assert gate.reached.wait(30)
    erasures = [erase(t), erase(t, Scope.record(parent))]
    work(domicile)
    gate.open.set()
    with pytest.raises(Erased):
        put.result(30)

    work(domicile, hours=1)
    assert all(is_complete(domicile, e) for e in erasures)
    assert packs_on(domicile) == []
    with pytest.raises(GONE):
        get(t, child)


@pytest.mark.parametrize("content", [b"same", b"other"])
@pytest.mark.parametrize("stop", [after_announce, after_put])
def test_two_processes_put_one_id(
    gate: Gate,
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    *,
    stop: Stop,
    content: bytes,
) -> None:
    """The same content is stored once and acknowledged twice. Different content: one is refused."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    with second_store(domicile) as other:
        stop(domicile, faults, gate)
        slow = aside.submit(t.put, DataClass.PROMPT, b"same", id=minted)
        assert gate.reached.wait(30)
        domicile.backends["eu-b"].gates.clear()
        domicile.backends["eu-b"].fail_after.clear()
        fast = other.tenant(t.id).put(DataClass.PROMPT, content, id=minted)
        gate.open.set()
        if content == b"same":
            assert slow.result(30) == fast
        else:
            with pytest.raises(IdConflict):
                slow.result(30)

    assert get(t, minted) == content
    work(domicile, hours=1)
    assert get(t, minted) == content
    assert object_states(home(domicile)) == {"stored": 2}
    assert len(packs_on(domicile)) == 4


def test_one_process_puts_one_id_while_its_insert_is_not_committed(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """The second waits for the first, and gets a true answer."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    first = aside.submit(t.put, DataClass.PROMPT, b"first", id=minted)
    assert gate.reached.wait(30)
    with second_store(domicile) as other:
        u = other.tenant(t.id)
        same = aside.submit(u.put, DataClass.PROMPT, b"first", id=minted)
        unlike = aside.submit(t.put, DataClass.PROMPT, b"second", id=minted)
        wait_until(lambda: faults.lock_waiters() > 0)
        gate.open.set()

        assert first.result(30) == same.result(30)
        with pytest.raises(IdConflict):
            unlike.result(30)


def test_two_processes_put_the_same_bulk(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """One COPY waits for the other, and both report what is stored."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    records = [
        NewRecord(DataClass.PROMPT, b"%d" % n, t.new_id(DataClass.PROMPT)) for n in range(40)
    ]
    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    slow = aside.submit(lambda: list(t.put_many(records)))
    assert gate.reached.wait(30)
    with second_store(domicile) as other:
        u = other.tenant(t.id)
        fast = aside.submit(lambda: list(u.put_many([*records, NewRecord(DataClass.PROMPT, b"x")])))
        wait_until(lambda: faults.lock_waiters() > 0)
        gate.open.set()
        told = slow.result(30)
        assert fast.result(30)[:40] == told

    assert all(isinstance(result, PutResult) for result in told)
    assert [get(t, r.id) for r in told if isinstance(r, PutResult)] == [r.body for r in records]
    assert len(t.list()) == 42


def test_two_processes_make_one_day_key(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """Both use one key, the other is purged, and a third process reads both records."""
    t = domicile.tenant()
    slow = domicile.backends["eu-b"]
    with second_store(domicile) as other:
        slow.gates["put"] = gate
        before = slow.count("put")
        puts = [
            aside.submit(u.put, DataClass.PROMPT, b"%d" % n)
            for n, u in enumerate((t, other.tenant(t.id)))
        ]
        wait_until(lambda: slow.count("put") == before + 2)
        gate.open.set()
        ids = [put.result(30).id for put in puts]

    assert object_states(home(domicile), "day_key") == {"stored": 1, "purging": 1}
    work(domicile, hours=1)
    domicile.open()
    t = domicile.store.tenant(t.id).bind(SERVICE)
    assert [get(t, i) for i in ids] == [b"0", b"1"]
    assert len([k for b in domicile.backends.values() for k in b.scan("day_key/")]) == 2


def test_a_canceled_future_harms_no_other(gate: Gate, domicile: Domicile) -> None:
    """The pack is stored, and its other callers get true answers."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    domicile.backends["eu-b"].gates["put"] = gate
    futures = [t.submit(NewRecord(DataClass.PROMPT, b"%d" % n)) for n in range(3)]
    assert gate.reached.wait(30)
    futures[1].cancel()
    gate.open.set()

    assert [get(t, f.result(30).id) for f in (futures[0], futures[2])] == [b"0", b"2"]
    assert len(t.list()) == 4


def test_two_processes_make_one_tenant(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """The first of two accounts gets the tenant, though neither saw the other."""
    domicile.tenant("taken")
    mine = replace(domicile.store.admin.tenants.get("taken"), id="wanted")
    faults.at_statement(next_is("INSERT INTO tenant", "FROM tenant"), lambda _: gate.wait())
    first = aside.submit(domicile.store.admin.tenants.ensure, mine)
    assert gate.reached.wait(30)
    with second_store(domicile) as other:
        later = aside.submit(other.admin.tenants.ensure, replace(mine, account="somebody-else"))
        wait_until(lambda: later.done() or faults.lock_waiters() > 0)
        gate.open.set()
        first.result(30)
        with pytest.raises(TenantConflict):
            later.result(30)

    assert domicile.store.admin.tenants.get("wanted") == mine
