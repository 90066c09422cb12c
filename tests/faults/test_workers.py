"""Workers: two at once, killed in the middle, with different clocks, and with failing backends."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO

import pytest

from storage.catalog import objects
from storage.catalog.objects import NewObject
from storage.errors import (
    BackendError,
    BackendFull,
    BackendTimeout,
    BackendUnavailable,
    PurgeIncomplete,
)
from storage.model import DataClass, Erasure, NewRecord, Purpose, PutResult, ReplicaState, Scope
from storage.objects.write import Write
from storage.ports import Clock, ItemKind
from storage.testing import SERVICE, Domicile, FaultyBackend, Gate
from storage.workers.replicate import _copy, _Plan
from tests.support.actions import duty, erase, get, is_complete, work
from tests.support.faults.transactions import FENCING, CatalogFaults, ran
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    pack_ids,
    replica_states,
    wait_until,
)
from tests.support.second_store import second_store


def test_two_workers_do_not_purge_one_replica_at_the_same_time(
    gate: Gate, domicile: Domicile, aside: ThreadPoolExecutor
) -> None:
    """What one worker has claimed is not claimed by another until the lease expires."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    with second_store(domicile) as other:
        duty(domicile, "purge", other)
        erasure = erase(t)
        duty(domicile, "plan")
        domicile.backends["eu-a"].gates["purge"] = gate
        first = aside.submit(duty, domicile, "purge")
        assert gate.reached.wait(30)
        calls = domicile.backends["eu-a"].count("purge")
        duty(domicile, "purge", other)
        assert domicile.backends["eu-a"].count("purge") == calls
        gate.open.set()
        first.result(30)

    work(domicile)
    assert is_complete(domicile, erasure)


def lies(backend: FaultyBackend) -> None:
    """Make the backend acknowledge a purge that it did not do."""
    backend.inner.purge = lambda _: None  # type: ignore[method-assign,assignment]


def purges_in_part(backend: FaultyBackend) -> None:
    """Make the backend refuse to purge one version."""
    backend.fail_before["purge"] = lambda _: PurgeIncomplete(backend.name)


def does_not_say(backend: FaultyBackend) -> None:
    """Make the backend purge, and fail to list what is left."""
    backend.fail_before["list_key"] = lambda _: BackendTimeout(backend.name)


@pytest.mark.parametrize("fault", [lies, purges_in_part, does_not_say])
def test_no_receipt_from_a_backend_that_lies_or_errs(
    domicile: Domicile, fault: Callable[[FaultyBackend], None]
) -> None:
    """The worker asks again without end."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    (sample,) = ciphertexts(domicile, put.id)
    backend = domicile.backends["eu-b"]
    real = backend.inner.purge
    fault(backend)
    erasure = erase(t)
    for hours in (0, 1, 10):
        work(domicile, hours=hours)
        assert not is_complete(domicile, erasure)
    assert [left.backend for left in domicile.store.erasure(erasure.id).outstanding] == ["eu-b"]

    backend.inner.purge = real  # type: ignore[method-assign]
    backend.fail_before.clear()
    work(domicile, hours=2)
    assert is_complete(domicile, erasure)
    assert backends_with(domicile, sample) == set()


def test_the_last_two_replicas_of_an_object_go_at_once(
    gate: Gate,
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two workers purge one replica each: the object is gone, and the erasure complete."""
    monkeypatch.setattr("storage.workers.purge.BATCH", 1)
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    work(domicile)
    erasure = erase(t)
    duty(domicile, "plan")
    faults.at_commit(ran("gone_at=%(gone_at)s"), before=lambda _: gate.wait())
    purging = aside.submit(duty, domicile, "purge")
    assert gate.reached.wait(30)
    other = aside.submit(duty, domicile, "purge")
    wait_until(lambda: faults.lock_waiters() > 0 or len(_going(domicile)) == 1)
    gate.open.set()
    purging.result(30)
    other.result(30)

    work(domicile)
    assert is_complete(domicile, erasure)
    assert _going(domicile) == []


def test_no_receipt_before_the_object_of_an_earlier_erasure_is_gone(
    domicile: Domicile,
) -> None:
    """Two erasures get two receipts, and none while the bytes wait for a compaction.

    A scope of another kind may cover them, another subject does not.
    """
    t = domicile.tenant()
    mine, _ = t.put_many(NewRecord(DataClass.PROMPT, b"%d" % n, subject=f"u{n}") for n in range(2))
    assert isinstance(mine, PutResult)
    (sample,) = ciphertexts(domicile, mine.id)
    first = erase(t, Scope.subject("u0"))
    work(domicile)
    unlike = erase(t, Scope.subject("u2"))
    work(domicile)
    later = [erase(t, scope) for scope in (Scope.subject("u0"), Scope.group("g"))]
    work(domicile)
    work(domicile, hours=30)  # the first fence is pruned
    later.append(erase(t, Scope.subject("u0")))
    work(domicile)
    assert backends_with(domicile, sample) == {"eu-a", "eu-b"}
    assert [is_complete(domicile, e) for e in (first, *later)] == [False] * 4
    assert is_complete(domicile, unlike)

    work(domicile, hours=73)
    assert backends_with(domicile, sample) == set()
    assert all(is_complete(domicile, e) for e in (first, *later))


class Apart:
    """A clock that is behind another one, within the permitted error."""

    error = timedelta(milliseconds=50)

    def __init__(self, inner: Clock) -> None:
        self._inner = inner

    def now(self) -> datetime:
        """The time in UTC."""
        return self._inner.now() - timedelta(milliseconds=90)

    def ask(self) -> datetime:
        """The database's time, which is between both."""
        return self._inner.now() - timedelta(milliseconds=45)

    def skew(self) -> timedelta:
        """Return the skew of the other clock."""
        return self._inner.skew()


def test_a_receipt_by_a_worker_whose_clock_is_behind(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """By its clock, it plans the erasure before the request."""
    t = domicile.tenant()
    with second_store(domicile, clock=lambda _: Apart(domicile.clock)) as other:
        faults.at_commit(FENCING, after=lambda _: duty(domicile, "plan", other))
        erasure = erase(t)
        duty(domicile, "complete", other)

    assert is_complete(domicile, erasure)


def test_a_worker_that_is_killed_while_it_replicates(domicile: Domicile) -> None:
    """What it left is purged, and the replica is made."""
    t = domicile.tenant()
    domicile.take_down("eu-b")
    put = t.put(DataClass.PROMPT, b"mine")
    domicile.bring_back("eu-b")

    def die(_: str) -> BackendError:
        raise SystemExit

    late = domicile.backends["eu-b"]
    late.fail_before["upload.finish"] = die
    late.fail_before["upload.abort"] = lambda _: BackendUnavailable("eu-b")
    with pytest.raises(SystemExit):
        work(domicile, hours=1)
    late.fail_before.clear()
    for _ in range(3):
        work(domicile, hours=1)

    assert replica_states(home(domicile), pack_ids(home(domicile))[0]) >= {
        ("eu-a", "stored"),
        ("eu-b", "stored"),
    }
    assert {trace.kind for trace in late.scan()} == {ItemKind.OBJECT}
    domicile.take_down("eu-a")
    assert get(t, put.id) == b"mine"


def test_a_replica_of_unknown_outcome_is_not_sent_again_under_its_key(domicile: Domicile) -> None:
    """The first write could land after the second was purged."""
    write, plan = _replication(domicile)
    late = domicile.backends["eu-b"]
    late.fail_after["upload.finish"] = late.answer_lost

    assert _copy(home(domicile), plan, write) == "BackendTimeout"
    assert late.count("upload") == 1


def test_an_upload_that_could_not_begin_is_not_begun_again_under_its_key(
    domicile: Domicile,
) -> None:
    """The answer to its begin may be lost, also when the source fails next."""
    write, plan = _replication(domicile)
    late, source = domicile.backends["eu-b"], domicile.backends["eu-a"]
    late.fail_after["upload"] = late.answer_lost
    source.fail_before["get"] = lambda _: BackendUnavailable("eu-a")

    assert _copy(home(domicile), plan, write) == "BackendTimeout"
    assert late.count("upload") == 1


def _replication(domicile: Domicile) -> tuple[Write, _Plan]:
    """Prepare a replica on eu-b that is due."""
    region = home(domicile)
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    (pack,) = pack_ids(region)
    domicile.backends["eu-b"].calls.clear()
    with region.catalog.begin() as connection:
        source = objects.find_object(connection, pack)
        stored = objects.replicas_of(connection, [pack], [ReplicaState.STORED])[pack]
    assert source is not None
    good = [replica for replica in stored if replica.backend == "eu-a"]
    target = replace(good[0], backend="eu-b", key="pack/kept/again")
    now = region.clock.now()
    until = region.deadline(now, 1800)
    new = NewObject(source.id, source.kind, source.day, None, source.backends, now, until)
    write = Write(region, new, [target], until, 1800)
    return write, _Plan(source, good * 2, [write])


def test_a_replication_may_take_longer_than_a_lease(domicile: Domicile) -> None:
    """The lease is renewed meanwhile, so a slow backend causes no second write."""
    t = domicile.tenant()
    domicile.take_down("eu-b")
    put = t.put_file(BytesIO(os.urandom(20 * 1024 * 1024)))
    domicile.bring_back("eu-b")
    domicile.backends["eu-b"].calls.clear()
    domicile.backends["eu-a"].fail_before["get"] = lambda _: domicile.pass_time(minutes=20)
    work(domicile, hours=1)
    domicile.backends["eu-a"].fail_before.clear()
    domicile.take_down("eu-a")

    assert len(t.get(put.id, purpose=Purpose.SERVE).body) == 20 * 1024 * 1024
    calls = domicile.backends["eu-b"].calls
    assert len([key for name, key in calls if name == "upload" and key.startswith("pack/")]) == 1


def test_an_abandoned_replica_leaves_nothing(domicile: Domicile) -> None:
    """Its object was erased meanwhile."""
    t = domicile.tenant()
    domicile.take_down("eu-b")
    t.put_file(BytesIO(os.urandom(20 * 1024 * 1024)), subject="u")
    domicile.bring_back("eu-b")
    erasures: list[Erasure] = []

    def slow(_: str) -> None:
        domicile.pass_time(minutes=20)
        if not erasures:
            erasures.append(erase(t))
            duty(domicile, "plan")

    domicile.backends["eu-a"].fail_before["get"] = slow
    duty(domicile, "replicate")
    work(domicile, hours=1)

    assert is_complete(domicile, erasures[0])
    assert [trace for b in domicile.backends.values() for trace in b.scan("pack/")] == []


@pytest.mark.parametrize("error", [BackendFull, BackendTimeout, BackendUnavailable])
def test_a_process_starts_beside_a_backend_that_takes_nothing(
    domicile: Domicile, error: type[BackendError]
) -> None:
    """A worker must start on a full disk, or nothing would ever be deleted from it."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"mine", subject="u")
    domicile.backends["eu-a"].fail_before["put"] = lambda _: error("eu-a")
    domicile.open()
    t = domicile.store.tenant(t.id).bind(SERVICE)
    assert get(t, put.id) == b"mine"
    erasure = erase(t)
    work(domicile)

    assert is_complete(domicile, erasure)


def _going(domicile: Domicile) -> list[str]:
    """Return the replicas of packs that are being purged."""
    region = home(domicile)
    found = [replica_states(region, pack) for pack in pack_ids(region)]
    return [backend for some in found for backend, state in some if state == "purging"]
