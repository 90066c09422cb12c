"""The fault kit: what each fault does to a call, and which calls meet it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage.backends.memory import MemoryBackend
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.ports import ItemKind
from storage.testing import (
    Call,
    FakeClock,
    Fault,
    FaultyBackend,
    Gate,
    duplicate,
    fail,
    fail_halfway,
    fill_up,
    forbid,
    ignore_purge,
    land_after,
    land_late,
    lose_answer,
    redirect,
    refuse_locked,
    refuse_some,
    stale_after_purge,
    stale_listing,
    time_out,
    wait_at,
)


@pytest.fixture
def memory() -> MemoryBackend:
    """Where things end up."""
    return MemoryBackend("eu-a", versioned=True)


@pytest.fixture
def faulty(memory: MemoryBackend) -> FaultyBackend:
    """What fails."""
    return FaultyBackend(memory)


def put(backend: FaultyBackend | MemoryBackend, key: str = "a", data: bytes = b"data") -> None:
    """Store an object."""
    backend.put(key, data, timeout=1)


def upload(backend: FaultyBackend) -> None:
    """Store an object in pieces."""
    with backend.upload("a", timeout=1) as started:
        started.write(b"da")
        started.write(b"ta")
        started.finish()


def kinds(backend: MemoryBackend, key: str = "a") -> list[ItemKind]:
    """What is there of a key."""
    return [trace.kind for trace in backend.list_key(key)]


# --- which calls -------------------------------------------------------------------------------


def test_a_fault_is_for_the_calls_that_were_chosen(faulty: FaultyBackend) -> None:
    """By method, prefix, and number."""
    faulty.inject(fail, "put", prefix="pack/", nth=2, times=2)
    failed = []
    for key in ("key/1", "pack/1", "pack/2", "key/2", "pack/3", "pack/4"):
        try:
            put(faulty, key)
        except BackendUnavailable:
            failed.append(key)
    assert faulty.list_key("pack/2") == []

    assert failed == ["pack/2", "pack/3"]


def test_faults_that_a_call_meets_act_one_around_the_other(
    faulty: FaultyBackend, memory: MemoryBackend
) -> None:
    """The last one first: here it happens twice, and the answer is lost."""
    faulty.inject(duplicate, "put")
    faulty.inject(lose_answer, "put")
    with pytest.raises(BackendTimeout):
        put(faulty)
    faulty.land()

    assert kinds(memory) == [ItemKind.OBJECT, ItemKind.VERSION]


def test_a_fault_is_taken_back(faulty: FaultyBackend) -> None:
    """One of them, or all, with the switches."""
    first, _ = faulty.inject(fail, "put"), faulty.inject(fail, "get")
    faulty.heal(first)
    put(faulty)
    with pytest.raises(BackendUnavailable):
        faulty.get("a")
    faulty.down = True
    faulty.heal()

    assert faulty.get("a") == b"data"


def test_a_fault_of_ones_own_is_a_function(faulty: FaultyBackend) -> None:
    """It sees what is brought, and decides."""

    def no_twos(call: Call) -> object:
        return fail(call) if b"2" in call.data else call.proceed()

    faulty.inject(no_twos, "put", "upload.write")
    put(faulty, data=b"1")
    with pytest.raises(BackendUnavailable):
        put(faulty, data=b"2")

    assert faulty.get("a") == b"1"


# --- what they do ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (fail, BackendUnavailable),
        (fill_up, BackendFull),
        (time_out, BackendTimeout),
        (forbid, BackendForbidden),
        (redirect, BackendMisplaced),
    ],
)
def test_nothing_happens(
    faulty: FaultyBackend, memory: MemoryBackend, fault: Fault, error: type[BackendError]
) -> None:
    """And the error says why."""
    put(memory, "b")
    faulty.inject(fault)
    with pytest.raises(error):
        put(faulty)
    with pytest.raises(error):
        upload(faulty)
    with pytest.raises(error):
        faulty.get("b")
    with pytest.raises(error):
        faulty.purge("b")
    with pytest.raises(error):
        list(faulty.scan())

    assert [trace.key for trace in memory.scan()] == ["b"]


@pytest.mark.parametrize("write", [put, upload])
def test_the_answer_is_lost(faulty: FaultyBackend, memory: MemoryBackend, write: Fault) -> None:
    """It is there all the same."""
    faulty.inject(lose_answer, "put", "upload.finish")
    with pytest.raises(BackendTimeout):
        write(faulty)  # type: ignore[arg-type]

    assert memory.get("a") == b"data"


@pytest.mark.parametrize("write", [put, upload])
def test_it_lands_late(faulty: FaultyBackend, memory: MemoryBackend, write: Fault) -> None:
    """When the test says so, and once."""
    faulty.inject(land_late, "put", "upload.finish")
    with pytest.raises(BackendTimeout):
        write(faulty)  # type: ignore[arg-type]
    assert ItemKind.OBJECT not in kinds(memory)
    assert faulty.late == 1
    faulty.land()
    faulty.land()

    assert kinds(memory) == [ItemKind.OBJECT]
    assert faulty.late == 0


def test_it_lands_when_the_clock_has_come_there(
    faulty: FaultyBackend, memory: MemoryBackend
) -> None:
    """Also a purge may come late: then it takes what was put since."""
    clock = FakeClock()
    put(memory)
    faulty.inject(land_after(clock, timedelta(minutes=10)), "purge")
    with pytest.raises(BackendTimeout):
        faulty.purge("a")
    clock.advance(timedelta(minutes=9))
    assert kinds(memory) == [ItemKind.OBJECT]
    clock.advance(timedelta(minutes=2))

    assert kinds(memory) == []


def test_what_is_late_may_never_land(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """The network lost it."""
    faulty.inject(land_late, "put")
    with pytest.raises(BackendTimeout):
        put(faulty)
    faulty.discard_late()
    faulty.land()

    assert kinds(memory) == []


def test_a_duplicate_brings_back_what_was_purged(
    faulty: FaultyBackend, memory: MemoryBackend
) -> None:
    """The first is acknowledged; the second comes after the purge."""
    faulty.inject(duplicate, "put")
    put(faulty)
    faulty.purge("a")
    assert kinds(memory) == []
    faulty.land()

    assert memory.get("a") == b"data"


def test_it_hangs_until_it_is_released(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """And happens then."""
    gate = Gate()
    faulty.inject(wait_at(gate), "put")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(put, faulty)
        assert gate.reached.wait(10)
        assert kinds(memory) == []
        gate.open.set()
        running.result()

    assert memory.get("a") == b"data"


def test_half_of_a_write_is_left_unfinished(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """Nothing can be read of it, and it is there."""
    faulty.inject(fail_halfway, "put", "upload.write")
    with pytest.raises(BackendTimeout):
        put(faulty)

    assert [(x.kind, x.size) for x in memory.list_key("a")] == [(ItemKind.UPLOAD, 2)]


def test_half_of_a_read(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """A connection that ends early, and does not say so."""
    put(memory)
    faulty.inject(fail_halfway, "get")

    assert faulty.get("a") == b"da"


@pytest.mark.parametrize(
    ("fault", "error"), [(fail_halfway, BackendTimeout), (refuse_some, PurgeIncomplete)]
)
def test_half_of_a_purge(
    faulty: FaultyBackend, memory: MemoryBackend, fault: Fault, error: type[BackendError]
) -> None:
    """Of two versions one is left: without an answer, or with one that names it."""
    put(memory, data=b"old")
    put(memory)
    faulty.inject(fault, "purge")
    with pytest.raises(error):
        faulty.purge("a")

    assert kinds(memory) == [ItemKind.OBJECT]
    assert memory.get("a") == b"data"


def test_a_purge_that_lies(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """It says that all is gone."""
    put(memory)
    faulty.inject(ignore_purge, "purge")
    faulty.purge("a")

    assert memory.get("a") == b"data"


def test_an_object_lock(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """As the s3 backend reports it: the purge is incomplete, because it is forbidden."""
    put(memory)
    faulty.inject(refuse_locked, "purge")
    with pytest.raises(PurgeIncomplete) as caught:
        faulty.purge("a")

    assert isinstance(caught.value.__cause__, BackendForbidden)
    assert memory.get("a") == b"data"


def test_a_stale_listing(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """What has come since is not listed, what has gone since still is; reads are of now."""
    put(memory, "old")
    faulty.inject(stale_listing(faulty), "list_key", "scan")
    put(memory, "new")
    memory.purge("old")

    assert [trace.key for trace in faulty.scan()] == ["old"]
    assert [trace.key for trace in faulty.list_key("old")] == ["old"]
    assert faulty.list_key("new") == []
    assert faulty.get("new") == b"data"
    with pytest.raises(KeyAbsent):
        faulty.get("old")


def test_what_is_purged_lingers(faulty: FaultyBackend, memory: MemoryBackend) -> None:
    """It is read and listed until the fault is taken back."""
    put(memory)
    rule = faulty.inject(stale_after_purge(), "purge", "list_key", "get")
    faulty.purge("a")
    assert faulty.get("a", 1, 3) == b"at"
    assert [trace.kind for trace in faulty.list_key("a")] == [ItemKind.OBJECT]
    faulty.heal(rule)

    assert faulty.list_key("a") == []


# --- time --------------------------------------------------------------------------------------


def test_a_clock_that_is_set() -> None:
    """Forwards and back."""
    clock = FakeClock()
    noon = clock.now()
    clock.jump(timedelta(days=2))
    assert clock.now() > noon + timedelta(days=2)
    clock.jump(timedelta(days=-3))

    assert clock.now() < noon


def test_clocks_of_two_processes() -> None:
    """Each is ahead or behind, and all admit by how much."""
    clock = FakeClock()
    ahead, behind = clock.skewed(timedelta(seconds=2)), clock.skewed(timedelta(seconds=-3))

    assert ahead.now() - behind.now() == pytest.approx(
        timedelta(seconds=5), abs=timedelta(seconds=1)
    )
    assert ahead.error == behind.error == clock.error == timedelta(seconds=3)
