"""Training on files: of any size, in memory that does not grow with it, decided chunk by chunk."""

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from storage.client.aio.store import AsyncStore
from storage.client.tenant import BoundTenant
from storage.errors import BodyTooLarge, InvalidRequest, PurposeRefused
from storage.evidence.manifests import verify_manifests
from storage.model import DataClass, Purpose, Scope, TrainingRecord
from storage.testing import Domicile
from storage.testing.faults import Call
from storage.testing.harness import Kind
from tests.support.actions import erase
from tests.support.inspect.stored import home
from tests.support.screening import MILL, machine
from tests.support.training import FILES, consent, permit_training, train

FILE = DataClass.FINE_TUNING_FILE
MIB = 1024 * 1024
LARGE = 17 * MIB  # more than one body may have


@pytest.fixture
def domicile_backends() -> Kind:
    """Real files: backends in memory would count as memory of the process."""
    return "directory"


@pytest.fixture
def tenant(domicile: Domicile, tmp_path: Path) -> BoundTenant:
    """A tenant that consents to training on files."""
    permit_training(domicile, tmp_path)
    made = domicile.tenant()
    machine(domicile)
    consent(domicile, wording=FILES, classes=(FILE,))
    return made


def pieces(size: int) -> Iterator[bytes]:
    """Yield a file that is never in memory as a whole."""
    random = Random(1)
    for _ in range(size // MIB):
        yield random.randbytes(MIB)


def digest(chunks: Iterator[bytes]) -> str:
    """Return the SHA-256 of what chunks have."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def first(domicile: Domicile) -> Iterator[TrainingRecord]:
    """Return a read that is to hand out a large file."""
    return iter(train(domicile, "run-1", "acme-eu", FILE))


def withdraw(domicile: Domicile) -> None:
    """Withdraw the consent to training on files; what was read of it before is over."""
    domicile.store.consents.withdraw("acme-eu", classes=(FILE,), purposes=(Purpose.TRAIN,), by="a")
    domicile.pass_time(seconds=2)


def test_a_file_of_any_size_takes_the_same_memory(domicile: Domicile, tenant: BoundTenant) -> None:
    """A run is handed all of it, and its line has its digest; 64 MiB take less than 8."""
    size = 64 * MIB
    tenant.put_file(pieces(MIB))
    for one in first(domicile):  # what is loaded once is not counted
        assert one.body == next(pieces(MIB))
    tenant.put_file(pieces(size))
    read = train(domicile, "run-2", "acme-eu", FILE)
    tracemalloc.start()
    try:
        found = {one.entry: digest(one.chunks()) for one in read}
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 8 * MIB, f"{most / MIB:.0f} MiB"
    assert set(found.values()) == {digest(pieces(MIB)), digest(pieces(size))}
    assert all(json.loads(entry)["sha256"] == sha256 for entry, sha256 in found.items())
    (stated,) = verify_manifests([*found, *read.manifests], home(domicile).signing.public_key())
    assert stated.records == 2


def test_chunks_are_of_the_size_that_is_asked_for(domicile: Domicile, tenant: BoundTenant) -> None:
    """Of a file that is handed out as a whole, too. A large one has no body: none is shown."""
    tenant.put_file([b"0123456789"])
    domicile.pass_time(seconds=1)
    tenant.put_file(pieces(LARGE), metadata={"a": 1})
    small, large = first(domicile)

    assert list(small.chunks(4)) == [b"0123", b"4567", b"89"]
    assert [len(x) for x in large.chunks(9 * MIB)] == [9 * MIB, 8 * MIB]
    assert (large.info.size, large.metadata["a"]) == (LARGE, 1)
    with pytest.raises(BodyTooLarge, match="in chunks"):
        large.record  # noqa: B018 - a property
    with pytest.raises(InvalidRequest):
        list(small.chunks(0))


def test_no_chunk_is_handed_out_seconds_after_a_withdrawal(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Each is decided when it is asked for; an erasure counts at once."""
    put = tenant.put_file(pieces(LARGE)).id
    chunks = next(first(domicile)).chunks()
    next(chunks)
    withdraw(domicile)
    with pytest.raises(PurposeRefused) as caught:
        next(chunks)
    assert caught.value.reasons == ("opted_out",)

    domicile.pass_time(minutes=1)
    consent(domicile, wording=FILES, classes=(FILE,))
    chunks = next(first(domicile)).chunks()
    next(chunks)
    erase(tenant, Scope.record(put))
    with pytest.raises(PurposeRefused) as caught:
        next(chunks)
    assert caught.value.reasons == ("erased",)


def test_what_is_withdrawn_while_its_digest_is_taken_is_left_out(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """At the first chunk or after the last: nobody is shown that it is there."""
    for last in (False, True):
        tenant.put_file(pieces(LARGE))
        done = [False]

        def meanwhile(call: Call, last: bool = last, done: list[bool] = done) -> object:  # noqa: FBT001
            found = call.proceed()
            if not done[0] and (call.start >= 16 * MIB) is last:
                done[0] = True
                withdraw(domicile)
            return found

        for backend in domicile.backends.values():
            backend.inject(meanwhile, "get", prefix="pack/")
        read = train(domicile, f"run {last}", "acme-eu", FILE)
        with read:
            assert list(read) == []
        assert done[0]
        assert set(read.skipped) == {"opted_out"}
        domicile.pass_time(minutes=1)
        consent(domicile, wording=FILES, classes=(FILE,))


def test_a_large_file_whose_digest_takes_long_is_handed_out(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """It is decided again, and is not lost to the run."""
    tenant.put_file(pieces(LARGE))

    def slow(call: Call) -> object:
        domicile.pass_time(seconds=3)
        return call.proceed()

    for backend in domicile.backends.values():
        backend.inject(slow, "get", prefix="pack/")
    with train(domicile, "run", "acme-eu", FILE) as read:
        assert len(list(read)) == 1
    assert read.skipped == {}


def test_a_large_file_that_is_damaged_is_left_out(domicile: Domicile, tenant: BoundTenant) -> None:
    """In its last chunk, on every backend: no run is handed the beginning of it."""
    tenant.put_file(pieces(LARGE))
    for backend in domicile.backends.values():
        for found in list(backend.inner.scan("pack/")):
            data = bytearray(backend.inner.get(found.key))
            data[16 * (MIB + 16)] ^= 1
            backend.inner.purge(found.key)
            backend.inner.put(found.key, bytes(data), timeout=10)

    read = train(domicile, "run-1", "acme-eu", FILE)
    with read:
        assert list(read) == []
    assert read.skipped == {"unreadable": 1}


def test_the_asynchronous_store_hands_out_chunks(domicile: Domicile, tenant: BoundTenant) -> None:
    """Of a large file and of a small one."""
    tenant.put_file(pieces(MIB))
    domicile.pass_time(seconds=1)
    tenant.put_file(pieces(LARGE), metadata={"a": 1})

    async def run() -> list[object]:
        store = AsyncStore(domicile.store)
        found: list[object] = []
        try:
            read = await store.training("acme-eu", run="r", actor=MILL, classes=[FILE])
            async with read:
                async for one in read:
                    got = [chunk async for chunk in one.chunks()]
                    assert json.loads(one.entry)["sha256"] == digest(iter(got))
                    assert sum(map(len, got)) == one.info.size
                    found.append(one.metadata.get("a"))
                    if one.info.size == MIB:
                        assert one.record.body == got[0]
        finally:
            await store.close()
        return found

    assert asyncio.run(run()) == [None, 1]
