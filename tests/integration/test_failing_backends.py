"""Backends that fail or are slow, and full disks: one clear error, and nothing left behind."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import pytest
from sqlalchemy import select

from storage.backends.directory import DirectoryBackend
from storage.catalog import tables
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyUnavailable,
    TooFewReplicas,
)
from storage.model import (
    ErasureState,
    NewRecord,
    Reason,
    Scope,
)
from storage.ports import ItemKind
from storage.region import Limits
from storage.testing import Domicile, FaultyBackend, Gate
from tests.support.refusals import (
    BODY,
    EU,
    HOME,
    MIB,
    PLANTED,
    PROMPT,
    SERVE,
    WRITES,
    all_left,
    error_text,
    finish_all_work,
    ready_tenant,
)


def failing(*methods: str, error: type[BackendError]) -> Callable[[FaultyBackend], None]:
    """Return a fault: the named calls fail without an effect."""

    def spoil(backend: FaultyBackend) -> None:
        backend.fail_before = dict.fromkeys(methods, lambda _: error(backend.name))

    return spoil


def down(backend: FaultyBackend) -> None:
    """Take the backend down."""
    backend.down = True


def full(backend: FaultyBackend) -> None:
    """Fill the backend."""
    backend.full = True


def late(backend: FaultyBackend) -> None:
    """Make writes time out and land later."""
    backend.land_late = True


SENDING = ("put", "upload", "upload.write", "upload.finish")
BACKENDS: dict[str, tuple[Callable[[FaultyBackend], None], str]] = {
    "down": (down, "BackendUnavailable"),
    "full": (full, "BackendFull"),
    "slow": (failing(*SENDING, error=BackendTimeout), "BackendTimeout"),
    "late": (late, "BackendTimeout"),
    "forbidden": (failing(*SENDING, error=BackendForbidden), "BackendForbidden"),
    "in another region": (failing(*SENDING, error=BackendMisplaced), "BackendMisplaced"),
}


def repair(domicile: Domicile) -> None:
    """End all faults, and let late writes land."""
    for backend in domicile.backends.values():
        backend.down = backend.full = backend.land_late = False
        backend.fail_before = {}
        backend.land()


def test_when_no_backend_takes_it_nothing_is_stored(
    domicile: Domicile, subtests: pytest.Subtests
) -> None:
    """For each fault and each kind of write, also while keys are made."""
    new = domicile.tenant("new-eu", dedicated=True)  # which has no key today
    t = ready_tenant(domicile)
    before = all_left(domicile)
    for fault, (spoil, code) in BACKENDS.items():
        for what, write in [*WRITES.items(), ("first put", WRITES["put"])]:
            for name in EU:
                spoil(domicile.backends[name])
            with subtests.test(msg=f"{fault}: {what}"):
                with pytest.raises(TooFewReplicas) as caught:
                    write(new if what == "first put" else t)
                assert caught.value.failures == dict.fromkeys(EU, code)
                again = code not in ("BackendForbidden", "BackendMisplaced")  # for a person
                assert (caught.value.retryable, caught.value.outcome) == (again, "not_stored")
                assert "Nothing is stored" in caught.value.message
                assert "never stored elsewhere" in caught.value.advice
                assert PLANTED not in error_text(caught.value)
            repair(domicile)
        finish_all_work(domicile)
        assert all_left(domicile) == before, fault


def test_when_one_backend_takes_it_it_is_stored(domicile: Domicile) -> None:
    """The other backend gets it when it is up again, and no trace of the failure is left."""
    t = ready_tenant(domicile)
    for spoil, _ in BACKENDS.values():
        spoil(domicile.backends["eu-a"])
        put = t.put(PROMPT, BODY)
        file = t.put_file(BytesIO(BODY))
        repair(domicile)
        finish_all_work(domicile)
        for name in EU:
            domicile.take_down(name)
            assert t.get(put.id, purpose=SERVE).body == BODY
            assert t.get(file.id, purpose=SERVE).body == BODY
            domicile.bring_back(name)
    scanned = [sorted(t.size for t in domicile.backends[name].inner.scan("pack/")) for name in EU]
    assert scanned[0] == scanned[1]
    assert len(scanned[0]) == 1 + 2 * len(BACKENDS)


def test_a_read_when_no_backend_answers(domicile: Domicile) -> None:
    """The error is retryable, whether or not the key is cached. The record stays."""
    t = ready_tenant(domicile)
    put = t.put(PROMPT, BODY)
    for error in (BackendUnavailable, BackendTimeout, BackendForbidden, BackendMisplaced):
        for backend in domicile.backends.values():
            failing("get", error=error)(backend)

        with pytest.raises(BackendUnavailable, match="No replica can be read now") as caught:
            t.get(put.id, purpose=SERVE)
        served = domicile.homes.served(HOME)
        served.keys._opened.clear()
        with pytest.raises(KeyUnavailable, match="Try again") as unknown_key:
            t.get(put.id, purpose=SERVE)
        repair(domicile)

        assert (caught.value.retryable, unknown_key.value.retryable) == (True, True)
        assert t.get(put.id, purpose=SERVE).body == BODY
    finish_all_work(domicile)
    assert len(list(domicile.backends["eu-a"].inner.scan("pack/"))) == 2


class TestSlow:
    @pytest.fixture
    def domicile_limits(self) -> Limits:
        """Writes have a short timeout."""
        return Limits(attempt=0.1)

    def test_a_backend_that_hangs(self, domicile: Domicile) -> None:
        """It delays no other call, however often it hangs. What lands late is purged."""
        t = ready_tenant(domicile)
        gate = Gate()
        for name in EU:
            domicile.backends[name].gates["put"] = gate
        before = all_left(domicile)
        with pytest.raises(TooFewReplicas) as caught:
            t.put(PROMPT, BODY)
        gate.open.set()
        finish_all_work(domicile)

        assert caught.value.failures == dict.fromkeys(EU, "BackendTimeout")
        assert all_left(domicile) == before

        domicile.backends["eu-b"].gates.clear()
        gate.open.clear()
        try:
            ids = [t.put(PROMPT, BODY).id for _ in range(20)]
        finally:
            gate.open.set()
        domicile.backends["eu-a"].gates.clear()
        finish_all_work(domicile)
        assert [t.get(i, purpose=SERVE).body for i in ids] == [BODY] * 20

    @pytest.mark.parametrize("call", ["upload", "upload.write", "upload.finish"])
    def test_a_backend_that_hangs_over_a_file(self, domicile: Domicile, call: str) -> None:
        """The file is stored on the other one, and the begun upload is aborted."""
        t = ready_tenant(domicile)
        gate = domicile.backends["eu-a"].gates[call] = Gate()
        body = os.urandom(3 * MIB)
        try:
            file = t.put_file(BytesIO(body))
        finally:
            gate.open.set()
        finish_all_work(domicile)

        for name in EU:
            domicile.take_down(name)
            assert t.get(file.id, purpose=SERVE).body == body
            domicile.bring_back(name)
        region = domicile.homes.served(HOME).region
        with region.catalog.begin() as connection:
            r = tables.replica.c
            known = set(connection.scalars(select(r.key).where(r.state != "gone")))
        found = [trace for name in EU for trace in domicile.backends[name].inner.scan()]
        assert {trace.key for trace in found} == known
        assert {trace.kind for trace in found} == {ItemKind.OBJECT}


@dataclass
class Disk:
    """A disk whose free space the test sets."""

    free: int

    def mount(self, domicile: Domicile) -> None:
        """Put the backends of the EU on it, with a reserve of 64 MiB."""
        for name in EU:
            identity = domicile.backends[name].identity(timeout=10)
            disk = DirectoryBackend(
                name,
                domicile.settings.home / "backends" / name,
                clock=time.monotonic,
                entropy=os.urandom,
                reserve=64 * MIB,
                free=lambda _: self.free,
            )
            assert identity is not None
            disk.identify(identity, timeout=10)
            domicile.backends[name].inner = disk


def test_a_full_disk_refuses_writes_and_erases(domicile: Domicile) -> None:
    """Writes are refused, and an erasure is completed, also by a process that starts then."""
    disk = Disk(1024 * MIB)
    disk.mount(domicile)
    t = ready_tenant(domicile)
    gone = t.put_file(BytesIO(BODY), subject="v").id
    kept = t.put(PROMPT, BODY).id
    finish_all_work(domicile)
    disk.free = 64 * MIB
    before = all_left(domicile)
    for write in WRITES.values():
        with pytest.raises(TooFewReplicas) as caught:
            write(t)
        assert caught.value.failures == dict.fromkeys(EU, "BackendFull")
    finish_all_work(domicile)
    assert all_left(domicile) == before

    domicile.open()
    t = domicile.tenant()
    erasures = [
        t.erase(scope, reason=Reason.SUBJECT_REQUEST)
        for scope in (Scope.subject("u"), Scope.record(gone))
    ]
    finish_all_work(domicile)

    states = [domicile.store.erasure(erasure.id).state for erasure in erasures]
    assert states == [ErasureState.COMPLETE] * 2
    assert t.get(kept, purpose=SERVE).body == BODY
    assert [len(list(domicile.backends[name].inner.scan("pack/"))) for name in EU] == [1, 1]
    disk.free = 1024 * MIB
    assert t.put(PROMPT, BODY).stored


def test_a_full_disk_does_not_keep_what_shares_a_pack(domicile: Domicile) -> None:
    """Erasing part of a pack writes the rest anew: the reserve is for that."""
    disk = Disk(1024 * MIB)
    disk.mount(domicile)
    t = domicile.tenant()
    list(t.put_many([NewRecord(PROMPT, BODY, subject=f"u{n}") for n in range(2)]))
    disk.free = 64 * MIB

    erasure = t.erase(Scope.subject("u0"), reason=Reason.SUBJECT_REQUEST)
    domicile.run_worker()
    domicile.pass_time(hours=73)
    finish_all_work(domicile)

    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
