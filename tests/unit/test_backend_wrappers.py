"""The wrappers that change something: health for writers, faults for tests."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.backends.health import WatchedBackend
from storage.backends.memory import MemoryBackend
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
)
from storage.ports import Backend, ItemKind
from storage.testing.faults import FaultyBackend, Gate


@pytest.fixture
def memory() -> MemoryBackend:
    """Where things end up."""
    return MemoryBackend("eu-a", versioned=True)


@pytest.fixture
def faulty(memory: MemoryBackend) -> FaultyBackend:
    """What fails."""
    return FaultyBackend(memory)


class Clock:
    """A monotonic clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def put(backend: Backend, key: str = "a") -> None:
    """Store an object."""
    backend.put(key, b"data", timeout=1)


def upload(backend: Backend) -> None:
    """Store an object in pieces."""
    with backend.upload("a", timeout=1) as started:
        started.write(b"da")
        started.write(b"ta")
        started.finish()


CALLS: dict[str, Callable[[Backend], object]] = {
    "put": put,
    "upload": upload,
    "upload.write": upload,
    "upload.finish": upload,
    "get": lambda backend: backend.get("a"),
    "preserve": lambda backend: backend.preserve("a"),
    "release": lambda backend: backend.release("a"),
    "purge": lambda backend: backend.purge("a"),
    "find_lock": lambda backend: backend.find_lock("a"),
    "list_key": lambda backend: backend.list_key("a"),
    "scan": lambda backend: list(backend.scan("a")),
    "probe": lambda backend: backend.probe("a"),
}
every_call = pytest.mark.parametrize(("name", "call"), CALLS.items(), ids=CALLS)


def fails_with(error: BackendError) -> Callable[[str], BackendError]:
    """A fault."""
    return lambda _: error


# --- Health


@every_call
@pytest.mark.parametrize("kind", [BackendUnavailable, BackendTimeout])
def test_who_does_not_answer_is_suspect_for_a_while(
    memory: MemoryBackend,
    faulty: FaultyBackend,
    name: str,
    call: Callable[[Backend], object],
    kind: type[BackendError],
) -> None:
    """Whatever was asked; then it is trusted again, though nothing was asked meanwhile."""
    clock = Clock()
    watched = WatchedBackend(faulty, clock=clock, seconds=30)
    put(memory)
    faulty.fail_before[name] = fails_with(kind("eu-a"))
    assert not watched.unhealthy

    with pytest.raises(kind):
        call(watched)

    later = []
    for seconds in (0, 29.9, 0.2):
        clock.now += seconds
        later.append(watched.unhealthy)
    assert later == [True, True, False]


@pytest.mark.parametrize("kind", [BackendFull, BackendForbidden, KeyAbsent])
def test_who_answers_is_not_suspect(faulty: FaultyBackend, kind: type[BackendError]) -> None:
    """A refusal is an answer, and is nothing that passes with time."""
    watched = WatchedBackend(faulty, clock=Clock(), seconds=30)
    faulty.fail_before["put"] = fails_with(kind("eu-a"))

    with pytest.raises(kind):
        put(watched)

    assert not watched.unhealthy


def test_a_suspect_is_still_asked(faulty: FaultyBackend) -> None:
    """Writers choose; reads and purges have no choice."""
    watched = WatchedBackend(faulty, clock=Clock(), seconds=30)
    faulty.down = True
    with pytest.raises(BackendUnavailable):
        put(watched)
    faulty.down = False
    put(watched)

    assert watched.unhealthy
    assert watched.get("a") == b"data"


def test_a_listing_that_ends_early_makes_suspect(faulty: FaultyBackend) -> None:
    """Also when it fails after the first of many."""
    watched = WatchedBackend(faulty, clock=Clock(), seconds=30)
    put(watched)
    faulty.fail_after["scan"] = faulty.answer_lost
    found = watched.scan()

    assert next(found).key == "a"
    with pytest.raises(BackendTimeout):
        next(found)
    assert watched.unhealthy


def test_a_watched_upload_that_breaks_is_aborted(memory: MemoryBackend) -> None:
    """As without the watch."""
    watched = WatchedBackend(memory, clock=Clock(), seconds=30)

    def store() -> None:
        with watched.upload("a", timeout=1) as started:
            started.write(b"da")
            raise RuntimeError("the stream broke")

    with pytest.raises(RuntimeError):
        store()

    assert memory.list_key("a") == []


# --- Faults


@every_call
def test_down_means_that_nothing_happens(
    memory: MemoryBackend, faulty: FaultyBackend, name: str, call: Callable[[Backend], object]
) -> None:
    """Every call fails, and leaves what was."""
    put(memory)
    before = memory.list_key("a")
    faulty.down = True

    with pytest.raises(BackendUnavailable):
        call(faulty)

    assert memory.list_key("a") == before


@every_call
def test_fail_before_means_that_it_did_not_happen(
    memory: MemoryBackend, faulty: FaultyBackend, name: str, call: Callable[[Backend], object]
) -> None:
    """Nothing is stored, nothing is purged."""
    put(memory)
    before = memory.list_key("a")
    faulty.fail_before[name] = fails_with(BackendForbidden("eu-a"))

    with pytest.raises(BackendForbidden):
        call(faulty)

    assert memory.list_key("a") == before


@pytest.mark.parametrize("name", ["put", "upload.finish", "purge"])
def test_fail_after_means_that_it_happened(
    memory: MemoryBackend, faulty: FaultyBackend, name: str
) -> None:
    """Only the answer is lost."""
    if name == "purge":
        put(memory)
    faulty.fail_after[name] = faulty.answer_lost

    with pytest.raises(BackendTimeout):
        CALLS[name](faulty)

    expected = [] if name == "purge" else [ItemKind.OBJECT]
    assert [trace.kind for trace in memory.list_key("a")] == expected


def test_a_fault_may_choose_its_key(faulty: FaultyBackend) -> None:
    """A function sees which key it is about."""
    faulty.fail_before["put"] = lambda key: BackendFull("eu-a") if key == "b" else None
    put(faulty, "a")

    with pytest.raises(BackendFull):
        put(faulty, "b")

    assert faulty.get("a") == b"data"


@pytest.mark.parametrize("call", [put, upload])
def test_full_means_that_only_deletion_works(
    memory: MemoryBackend, faulty: FaultyBackend, call: Callable[[Backend], None]
) -> None:
    """As a disk whose reserve is reached."""
    put(faulty, "b")
    faulty.full = True

    with pytest.raises(BackendFull):
        call(faulty)
    faulty.purge("b")

    assert list(memory.scan()) == []


@pytest.mark.parametrize("call", [put, upload])
def test_a_late_write_lands_when_the_test_says(
    memory: MemoryBackend, faulty: FaultyBackend, call: Callable[[Backend], None]
) -> None:
    """After the client gave up, and after a purge that saw nothing."""
    faulty.land_late = True

    with pytest.raises(BackendTimeout):
        call(faulty)
    with pytest.raises(KeyAbsent):
        faulty.get("a")
    if call is put:
        faulty.purge("a")
        assert faulty.list_key("a") == []

    faulty.land()

    assert memory.get("a") == b"data"

    faulty.purge("a")
    faulty.land()

    assert memory.list_key("a") == []


def test_calls_are_noted(faulty: FaultyBackend) -> None:
    """With what they were about, also those that failed."""
    put(faulty)
    faulty.down = True
    with pytest.raises(BackendUnavailable):
        faulty.get("b")

    assert faulty.calls == [("put", "a"), ("get", "b")]
    assert faulty.count("put") == 1
    assert faulty.count("purge") == 0


def test_a_call_waits_at_its_gate(memory: MemoryBackend, faulty: FaultyBackend) -> None:
    """Until the test opens it; the test can tell when it has come there."""
    gate = faulty.gates["put"] = Gate()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(put, faulty)
        gate.reached.wait(10)
        assert memory.list_key("a") == []
        gate.open.set()
        running.result()

    assert memory.get("a") == b"data"


def test_a_gate_that_nobody_opens_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of hanging."""
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)

    with pytest.raises(AssertionError, match="not opened"):
        Gate().wait()
