"""A day that expires while its records are put, erased and read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from storage.errors import BackendUnavailable, DomicileError, Expired, NotFound
from storage.evidence.receipts import verify
from storage.model import DataClass
from storage.testing import Domicile, Gate
from tests.support.actions import duty, erase, get, is_complete, packs_on, work
from tests.support.faults.put_gates import TWO_DAYS, Stop, after_announce, after_put
from tests.support.faults.transactions import COMMITTING, CatalogFaults
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    object_states,
    orphans,
    wait_until,
)

pytestmark = pytest.mark.one_region


@pytest.mark.parametrize("stop", [after_announce, after_put])
def test_a_day_that_expires_between_the_steps_of_a_put(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor, stop: Stop
) -> None:
    """The put is refused, and leaves nothing behind."""
    t = domicile.tenant(retention=TWO_DAYS)
    t.put(DataClass.PROMPT, b"the day key is made")
    stop(domicile, faults, gate)
    put = aside.submit(t.put, DataClass.PROMPT, b"mine", subject="u")
    assert gate.reached.wait(30)
    work(domicile, hours=13)
    work(domicile, hours=1)
    gate.open.set()
    with pytest.raises(DomicileError) as caught:
        put.result(30)

    assert caught.value.outcome == "not_stored"
    for _ in range(3):
        work(domicile, hours=1)
    assert orphans(home(domicile)) == []
    assert packs_on(domicile) == []


def test_an_expiring_day_abandons_what_is_still_being_written(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """At once, without waiting for its writer's lease: the writer may be dead."""
    t = domicile.tenant(retention=TWO_DAYS)
    t.put(DataClass.PROMPT, b"the day key is made")
    after_announce(domicile, faults, gate)
    put = aside.submit(t.put, DataClass.PROMPT, b"mine", subject="u")
    assert gate.reached.wait(30)
    domicile.pass_time(hours=13)
    before = object_states(home(domicile))
    duty(domicile, "expire")
    after = object_states(home(domicile))
    gate.open.set()

    with pytest.raises(DomicileError):
        put.result(30)
    assert "writing" in before
    assert "writing" not in after


def test_a_day_does_not_begin_to_expire_under_a_commit(
    gate: Gate, domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """A commit in progress finishes first, and expires with its day."""
    t = domicile.tenant(retention=TWO_DAYS)
    t.put(DataClass.PROMPT, b"the day key is made")
    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    put = aside.submit(t.put, DataClass.PROMPT, b"mine")
    assert gate.reached.wait(30)
    work(domicile, hours=13)
    gate.open.set()
    written = put.result(30).id

    with pytest.raises(Expired):
        get(t, written)
    for _ in range(3):
        work(domicile, hours=1)
    assert packs_on(domicile) == []
    with pytest.raises(NotFound):
        get(t, written)


def test_a_receipt_tells_what_its_erasure_covers_also_of_a_day_that_goes(
    domicile: Domicile,
) -> None:
    """The rows of the day stay until the erasure has read them."""
    t = domicile.tenant(retention=TWO_DAYS)
    t.put(DataClass.PROMPT, b"mine", subject="u")
    erasure = erase(t)
    domicile.pass_time(hours=13)
    for _ in range(3):
        duty(domicile, "expire")
        domicile.pass_time(minutes=2)
    for _ in range(3):
        work(domicile, hours=1)
    done = domicile.store.erasure(erasure.id)
    receipt = verify(done.receipt or "", home(domicile).signing.public_key())

    assert done.deleted == 1
    assert {leaf.backend for leaf in receipt.leaves} == {"eu-a", "eu-b"}


def test_a_pack_is_not_pruned_before_the_rows_that_name_it(domicile: Domicile) -> None:
    """A late worker: the pack of a day is gone before an erasure reads the day's rows."""
    t = domicile.tenant(retention=TWO_DAYS)
    t.put(DataClass.PROMPT, b"mine", subject="u")
    domicile.pass_time(days=3)
    erasure = erase(t)
    for name in ("expire", "purge", "prune"):
        duty(domicile, name)
    assert packs_on(domicile) == []

    for _ in range(3):
        work(domicile, hours=1)

    done = domicile.store.erasure(erasure.id)
    receipt = verify(done.receipt or "", home(domicile).signing.public_key())
    assert done.deleted == 1
    assert {leaf.backend for leaf in receipt.leaves} == {"eu-a", "eu-b"}
    with home(domicile).catalog.begin() as connection:
        assert not connection.scalar(text("SELECT count(*) FROM object WHERE kind = 'pack'"))


def test_no_receipt_for_an_erasure_that_a_partition_was_dropped_under(domicile: Domicile) -> None:
    """The day expires before the erasure is planned, and a backend still has the bytes."""
    t = domicile.tenant(retention=TWO_DAYS)
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    (sample,) = ciphertexts(domicile, put.id)
    stuck = domicile.backends["eu-b"]
    stuck.fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    erasure = erase(t)
    domicile.pass_time(hours=13)
    for _ in range(3):
        duty(domicile, "expire")
        domicile.pass_time(hours=1)
    work(domicile, hours=1)
    assert backends_with(domicile, sample) == {"eu-b"}
    assert not is_complete(domicile, erasure)

    stuck.fail_before.clear()
    for _ in range(3):
        work(domicile, hours=1)
    assert backends_with(domicile, sample) == set()
    assert is_complete(domicile, erasure)


def detaching(faults: CatalogFaults) -> list[int]:
    """Return the backends of PostgreSQL that wait to detach a partition."""
    query = text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE 'ALTER TABLE record DETACH%' AND wait_event_type = 'Lock'"
    )
    with faults.other.connect() as connection:
        return list(connection.scalars(query))


@contextmanager
def old_reader(domicile: Domicile) -> Iterator[None]:
    """Return a transaction that has read a record of another day, and stays open."""
    with home(domicile).catalog.engine.connect() as reader, reader.begin():
        reader.execute(text("SELECT count(*) FROM record WHERE expiry_day = '2026-03-30'"))
        yield


@pytest.mark.parametrize("worker", ["lives", "dies"])
def test_an_old_reader_of_another_day_stops_nobody_but_the_drop(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor, worker: str
) -> None:
    """The detaching waits for the reader; other readers and writers wait for neither."""
    t, other = domicile.tenant(), domicile.tenant("short-lived", retention=TWO_DAYS)
    kept = t.put(DataClass.PROMPT, b"kept").id
    gone = [other.put(DataClass.PROMPT, b"gone").id]
    domicile.pass_time(days=1)
    gone.append(other.put(DataClass.PROMPT, b"gone").id)
    domicile.pass_time(hours=13)
    with old_reader(domicile):
        working = aside.submit(domicile.run_worker)
        wait_until(lambda: bool(detaching(faults)))
        assert aside.submit(get, t, kept).result(5) == b"kept"
        put = aside.submit(t.put, DataClass.PROMPT, b"new").result(5)
        if worker == "dies":
            faults.kill(detaching(faults)[0])
            working.result(30)
            assert aside.submit(get, t, kept).result(5) == b"kept"
    working.result(30)
    for _ in range(2):
        work(domicile, hours=1)

    assert [get(t, i) for i in (kept, put.id)] == [b"kept", b"new"]
    for record_id in gone:
        with pytest.raises((Expired, NotFound)):
            get(other, record_id)
    days = {key.split("/")[1] for key in packs_on(domicile)}
    assert days == {"2026-03-30", "2026-04-01"}


def test_a_dropped_day_costs_no_connection_and_leaves_no_setting(domicile: Domicile) -> None:
    """What it sets ends with its transactions, and a connection serves on."""
    catalog, opened = home(domicile).catalog, list[object]()
    event.listen(catalog.engine, "connect", lambda *_: opened.append(1))
    with catalog.begin() as connection:
        before = connection.scalar(text("SELECT pg_backend_pid()"))

    work(domicile, days=3)

    assert opened == []
    autocommit = catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == before
        assert connection.scalar(text("SHOW lock_timeout")) == "0"
