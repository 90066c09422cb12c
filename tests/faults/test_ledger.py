"""The ledger under faults: an erasure is in the ledger before it takes effect."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

import regions
from storage.catalog import ledger, objects
from storage.catalog.objects import NewObject
from storage.cli.exit_codes import Exit, code_for
from storage.errors import (
    Abandoned,
    BackendForbidden,
    BackendFull,
    BackendUnavailable,
    CatalogRestored,
    CatalogUnavailable,
    Erased,
    LedgerUnwritten,
)
from storage.model import DataClass, Scope
from storage.testing import SERVICE, Call, Domicile, Gate
from tests.support.actions import GONE, duty, erase, get, is_complete, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.faults.transactions import COMMITTING, FENCING, CatalogFaults, ran, watching
from tests.support.inspect.stored import HOME, home, object_states, orphans, wait_until
from tests.support.topologies import small_topology

PROMPT = DataClass.PROMPT
ANNOUNCING_ENTRY = ran("pg_advisory_xact_lock(", "INSERT INTO object")  # not a pack's


def entries(domicile: Domicile) -> Iterator[str]:
    """Return the keys of the ledger on each backend."""
    return (x.key for b in domicile.backends.values() for x in b.scan("ledger/"))


def test_an_erasure_whose_entry_cannot_be_written(domicile: Domicile) -> None:
    """It fails, nothing is erased, and nothing is left behind."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    for name in ("eu-a", "eu-b"):
        backend = domicile.backends[name]
        backend.fail_after["put"] = lambda _, name=name: BackendUnavailable(name)  # type: ignore[misc]

    with pytest.raises(LedgerUnwritten, match="eu-a: BackendUnavailable") as failed:
        erase(t)

    assert failed.value.retryable
    assert failed.value.outcome == "not_stored"
    assert get(t, mine) == b"mine"
    assert domicile.store.erasures(HOME) == []
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].fail_after.clear()
    work(domicile, hours=1)
    assert list(entries(domicile)) == []
    assert get(t, mine) == b"mine"
    assert object_states(home(domicile), "ledger").keys() <= {"gone"}


def test_an_erasure_that_every_backend_refuses(domicile: Domicile) -> None:
    """It says that nothing was erased, and is not to be tried again: a person must act first."""
    t = domicile.tenant()
    t.put(PROMPT, b"mine", subject="u")
    for name in ("eu-a", "eu-b"):
        backend = domicile.backends[name]
        backend.fail_before["put"] = lambda _, name=name: BackendForbidden(name)  # type: ignore[misc]

    with pytest.raises(LedgerUnwritten, match="Nothing was erased") as failed:
        erase(t)

    assert not failed.value.retryable
    assert code_for(failed.value) is Exit.CONFIGURATION


def test_one_backend_is_enough_and_the_other_gets_it_later(domicile: Domicile) -> None:
    """As for records: the required replicas acknowledge, and the worker makes the others."""
    t = domicile.tenant()
    domicile.take_down("eu-a")
    erase(t)
    assert len(list(domicile.backends["eu-b"].scan("ledger/"))) == 1

    domicile.bring_back("eu-a")
    work(domicile, hours=1)
    one, other = (list(domicile.backends[name].scan("ledger/")) for name in ("eu-a", "eu-b"))
    assert [x.key[:54] for x in one] == [x.key[:54] for x in other]
    assert orphans(home(domicile)) == []


def test_two_erasures_at_once(domicile: Domicile, gate: Gate, aside: ThreadPoolExecutor) -> None:
    """Both take effect, and a restored catalog learns of both."""
    t = domicile.tenant()
    records = {name: t.put(PROMPT, b"mine", subject=name).id for name in ("u", "v")}
    dump = Dump.of(domicile)
    domicile.backends["eu-b"].gates["put"] = gate
    first = aside.submit(erase, t, Scope.subject("u"))
    assert gate.reached.wait(30)
    second = aside.submit(erase, t, Scope.subject("v"))
    while domicile.backends["eu-a"].count("put") < 2 + len(records) + 1:
        pass
    gate.open.set()
    erasures = [first.result(30), second.result(30)]
    assert {key.split("/")[1] for key in entries(domicile)} == {f"{1:016d}"}
    erase(t, Scope.subject("w"))

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert (report.events, report.missing) == (3, 0)
    for record_id in records.values():
        with pytest.raises(Erased):
            get(domicile.store.tenant("acme-eu").bind(SERVICE), record_id)
    work(domicile, hours=1)
    assert all(is_complete(domicile, erasure) for erasure in erasures)


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_erasure_whose_commit_is_not_answered(
    domicile: Domicile, faults: CatalogFaults, lost: str
) -> None:
    """Its entry is in the ledger, so a worker makes it take effect."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    faults.at_commit(FENCING, **{lost: faults.kill if lost == "before" else faults.lose})

    with pytest.raises(CatalogUnavailable):
        erase(t)
    work(domicile, minutes=1)

    with pytest.raises(GONE):
        get(t, mine)
    assert [e.scope for e in domicile.store.erasures(HOME)] == ["subject"]
    assert object_states(home(domicile), "ledger") == {"stored": 1}


def test_a_writer_that_died_before_it_sent_anything(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """No backend has its entry: it is abandoned once every backend has said so."""
    t = domicile.tenant()
    faults.at_commit(ANNOUNCING_ENTRY, after=faults.lose)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    assert object_states(home(domicile), "ledger") == {"writing": 1}
    domicile.take_down("eu-b")
    work(domicile, minutes=1)
    assert object_states(home(domicile), "ledger") == {"writing": 1}

    domicile.bring_back("eu-b")
    work(domicile, hours=1)
    assert object_states(home(domicile), "ledger").keys() <= {"gone"}
    assert domicile.store.erasures(HOME) == []


def test_a_worker_notices_a_copy_in_the_transaction(domicile: Domicile) -> None:
    """It destroys nothing from that transaction on."""
    t = domicile.tenant()
    t.put(PROMPT, b"mine", subject="u")
    erase(t)
    region = home(domicile)
    with region.catalog.begin() as connection:
        connection.execute(text("UPDATE catalog_info SET identity = '1/1/1/1'"))
    own = [domicile.backends[name] for name in region.backends]
    for backend in own:
        backend.calls.clear()

    with pytest.raises(CatalogRestored):
        domicile.run_worker()

    assert not any(backend.count("purge") for backend in own)
    region.catalog.engine.dispose()
    with pytest.raises(CatalogRestored):
        t.put(PROMPT, b"mine too")


def test_nothing_is_served_while_no_backend_shows_its_ledger(domicile: Domicile) -> None:
    """The process starts, refuses calls, and continues by itself when a backend answers."""
    mine = domicile.tenant().put(PROMPT, b"mine").id
    domicile.take_down("eu-a", "eu-b")
    domicile.open()

    with pytest.raises(CatalogUnavailable, match="cannot be compared with the ledger"):
        domicile.store.tenant("acme-eu")
    domicile.bring_back("eu-b")
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), mine) == b"mine"


def test_old_entries_are_purged_but_never_the_newest(domicile: Domicile) -> None:
    """Purged after the longest life of a backup and a week. The newest gives the next number."""
    t = domicile.tenant()
    for name in ("u", "v"):
        erase(t, Scope.subject(name))
    work(domicile, days=13)
    assert len(set(entries(domicile))) == 4
    work(domicile, days=2)
    work(domicile, hours=1)
    assert {key.split("/")[1] for key in entries(domicile)} == {f"{2:016d}"}

    erase(t, Scope.subject("w"))
    with home(domicile).catalog.begin() as connection:
        assert ledger.head(connection).number == 3
    domicile.open()


def test_a_stale_entry_is_resolved_once(domicile: Domicile, faults: CatalogFaults) -> None:
    """Two workers at once make one erasure."""
    t = domicile.tenant()
    faults.at_commit(FENCING, before=faults.kill)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    domicile.pass_time(minutes=1)
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(duty, domicile, "resolve") for _ in range(2)]:
            done.result(30)
    assert len(domicile.store.erasures(HOME)) == 1


def test_a_write_is_committed_while_an_erasure_is_resolved(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The worker waits for it before it commits the fence, so the erasure covers it."""
    t = domicile.tenant()
    t.put(PROMPT, b"the day key is made")
    early = t.new_id(PROMPT)
    faults.at_commit(FENCING, before=faults.kill)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    domicile.pass_time(minutes=1)

    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    putting = aside.submit(t.put, PROMPT, b"mine", id=early, subject="u")
    assert gate.reached.wait(30)
    resolving = aside.submit(duty, domicile, "resolve")
    wait_until(lambda: resolving.done() or faults.lock_waiters() > 0)
    assert not resolving.done()
    gate.open.set()
    resolving.result(30)
    putting.result(30)

    with pytest.raises(GONE):
        get(t, early)
    work(domicile, hours=1)
    assert [is_complete(domicile, known) for known in domicile.store.erasures(HOME)] == [True]


@pytest.mark.parametrize("sent", [False, True])
def test_the_log_tells_what_became_of_an_entry(
    domicile: Domicile, faults: CatalogFaults, *, sent: bool
) -> None:
    """If its writer died before it sent the entry, it is not in force."""
    t = domicile.tenant()
    if sent:
        faults.at_commit(FENCING, before=faults.kill)
    else:
        faults.at_commit(ANNOUNCING_ENTRY, after=faults.lose)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    domicile.pass_time(minutes=1)

    with capture_logs() as lines:
        duty(domicile, "resolve")

    assert [line["in_force"] for line in lines if line["event"] == "entry_resolved"] == [sent]
    assert len(domicile.store.erasures(HOME)) == int(sent)


def test_a_worker_that_stands_still_finds_the_entry_pruned(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """Another worker has abandoned it, and there is nothing left to do."""
    t = domicile.tenant()
    faults.at_commit(ANNOUNCING_ENTRY, after=faults.lose)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    domicile.pass_time(minutes=1)
    faults.at_commit(ran("ORDER BY object.deadline"), after=lambda _: days_pass(domicile))

    with capture_logs() as lines:
        duty(domicile, "resolve")

    assert [line["in_force"] for line in lines if line["event"] == "entry_resolved"] == [False]
    assert object_states(home(domicile), "ledger") == {}
    assert domicile.store.erasures(HOME) == []


def test_an_entry_that_is_lost_and_pruned_before_its_writer_goes_on(domicile: Domicile) -> None:
    """The erasure fails, and nothing is erased."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    domicile.backends["eu-a"].fail_before["put"] = lambda _: BackendFull("eu-a")

    def lose(call: Call) -> object:
        done = call.proceed()
        call.inner.purge(call.key)
        days_pass(domicile)
        return done

    domicile.backends["eu-b"].inject(lose, "put", prefix="ledger/", times=1)

    with pytest.raises(Abandoned, match="nothing has happened"):
        erase(t)

    assert object_states(home(domicile), "ledger") == {}
    assert domicile.store.erasures(HOME) == []
    assert get(t, mine) == b"mine"


def days_pass(domicile: Domicile) -> None:
    """Let another worker abandon, purge and prune what is stale."""
    for hours in (1, 73, 1):
        work(domicile, hours=hours)


def test_no_number_is_given_out_while_an_entry_is_resolved(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """Otherwise the next entry would not name it as its predecessor."""
    t = domicile.tenant()
    faults.at_commit(FENCING, before=faults.kill)
    with pytest.raises(CatalogUnavailable):
        erase(t)
    domicile.pass_time(minutes=1)

    with home(domicile).catalog.begin() as connection:
        ledger.lock_numbers(connection)  # as a writer that announces an entry
        resolving = aside.submit(duty, domicile, "resolve")
        wait_until(lambda: resolving.done() or faults.lock_waiters() > 0)
        assert not resolving.done()
        assert ledger.head(connection).number == 0
    resolving.result(30)

    assert len(domicile.store.erasures(HOME)) == 1


def test_what_a_dead_writer_left_on_a_backend_whose_contract_has_ended(
    domicile: Domicile, tmp_path: Path
) -> None:
    """The contract of eu-a ends; the replica on eu-a is recorded too."""
    data = Path(regions.__file__).parent / "data"
    topology = small_topology(data, tmp_path / "topology", changes=True)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    t = domicile.tenant()
    t.put(PROMPT, b"mine", subject="u")
    domicile.backends["eu-a"].fail_before["put"] = lambda _: BackendFull("eu-a")
    with watching(home(domicile).catalog) as faults:
        faults.at_commit(FENCING, before=faults.kill)
        with pytest.raises(CatalogUnavailable):
            erase(t)
    domicile.backends["eu-a"].fail_before.clear()

    for _ in range(4):
        work(domicile, hours=12)

    with home(domicile).catalog.begin() as connection:
        left = connection.scalars(text("SELECT backend FROM replica WHERE state = 'writing'"))
        assert list(left) == []


def test_an_entry_that_is_adopted_too_late_is_purged(domicile: Domicile) -> None:
    """One worker reads it, others mark it for purge and prune its replicas; then it is adopted."""
    domicile.tenant()
    erase(domicile.store.tenant("acme-eu"), Scope.subject("u"))
    region = home(domicile)
    key = next(entries(domicile))
    query = text("SELECT id FROM object WHERE kind = 'ledger'")
    with region.catalog.begin() as connection:
        known = objects.find_object(connection, connection.scalar(query))
        assert known is not None
        now = domicile.clock.now()
        objects.mark_for_purge(connection, [known.id], now)
        connection.execute(text("DELETE FROM replica WHERE object_id = :i"), {"i": known.id})
        late = NewObject(
            known.id, known.kind, None, None, known.backends, now, now, number=known.number
        )
        objects.adopt(connection, late, {key: "eu-a"}, now)
    for _ in range(3):
        work(domicile, hours=1)

    assert key not in {item.key for item in domicile.backends["eu-a"].inner.scan("ledger/")}
    assert object_states(region, "ledger").keys() <= {"gone"}
