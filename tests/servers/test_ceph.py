"""What holds on moto holds on a real gateway, and when it is killed, stopped and continued."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.backends.s3.backend import S3Backend
from storage.errors import BackendError, BackendMisplaced, BackendTimeout
from storage.ports import Backend, ItemKind
from tests.servers.ceph import REGIONS, Ceph, Region
from tests.support.backends.kinds import BackendCase

pytestmark = pytest.mark.servers
KEY = "pack/2026-01-02/a"
MIB = 1024 * 1024


@pytest.fixture
def hurried(ceph: Ceph) -> Iterator[S3Backend]:
    """A backend with a short timeout. Its gateway runs again at the end."""
    made = ceph.bucket(versioned=True, timeout=2)
    made.put(KEY, b"one", timeout=30)
    yield made
    made.close()


def test_a_probe_and_a_control_succeed(case: BackendCase) -> None:
    """Every right is there, and a control is listed in every kind that the bucket can have."""
    backend = case.backend
    backend.probe("canary/kept/a")
    planted = backend.plant("canary/kept/b", timeout=30)

    assert {item.kind for item in backend.list_key("canary/kept/b")} == planted
    assert (ItemKind.MARKER in planted) == case.versioned
    backend.purge("canary/kept/b")
    assert list(backend.scan()) == []


def test_a_purge_takes_every_version_and_upload(backend: Backend) -> None:
    """Also of an object that is locked and released."""
    for data in (b"one", b"two"):
        backend.put(KEY, data, timeout=30)
    backend.upload(KEY, timeout=30).write(bytes(9 * MIB))
    backend.preserve(KEY)
    backend.release(KEY)
    assert backend.list_key(KEY) != []

    backend.purge(KEY)

    assert backend.list_key(KEY) == []


def test_parts_and_ranges(backend: Backend) -> None:
    """A large object goes in parts and comes out in ranges, past its end too."""
    data = bytes(range(256)) * (17 * MIB // 256)
    with backend.upload(KEY, timeout=60) as upload:
        upload.write(data)
        upload.finish()

    assert backend.get(KEY) == data
    assert backend.get(KEY, 9 * MIB, 9 * MIB + 100) == data[9 * MIB : 9 * MIB + 100]
    assert backend.get(KEY, len(data) - 1, len(data) + 9) == data[-1:]
    assert backend.get(KEY, len(data), len(data) + 9) == b""


def test_a_listing_of_several_pages(backend: Backend) -> None:
    """In order, complete, and from any key on; keys of other clients may have any characters."""
    keys = [f"pack/2026-01-02/{n:05}" for n in range(1100)]
    for key in keys:
        backend.put(key, b"x", timeout=30)

    assert [item.key for item in backend.scan("pack/")] == keys
    assert [item.key for item in backend.scan("pack/", after=keys[1050])] == keys[1051:]


@pytest.mark.parametrize("at", REGIONS[1:])
def test_a_bucket_of_another_region_gets_no_byte(ceph: Ceph, at: Region) -> None:
    """Neither where the bucket is, under another region's name, nor where it is not."""
    name = ceph.make_bucket(REGIONS[0])
    for endpoint in (REGIONS[0], at):
        backend = S3Backend(ceph.opened(name, at, timeout=30, endpoint=endpoint))
        with closing(backend), pytest.raises(BackendMisplaced):
            backend.put(KEY, b"one", timeout=30)
    with closing(S3Backend(ceph.opened(name, REGIONS[0], timeout=30))) as there:
        assert list(there.scan()) == []


def test_a_gateway_that_is_killed(ceph: Ceph, hurried: S3Backend) -> None:
    """Each call fails as the backend's error; then the gateway starts, and everything is there."""
    ceph.kill(REGIONS[0])
    try:
        for call in calls(hurried):
            with pytest.raises(BackendError):
                call()
    finally:
        ceph.bring_back(REGIONS[0])

    assert hurried.get(KEY) == b"one"


def test_a_gateway_that_stands_still(ceph: Ceph, hurried: S3Backend) -> None:
    """Each call ends in its time, a write as unknown; afterwards the bucket can be used again."""
    ceph.stop(REGIONS[0])
    try:
        for call in calls(hurried):
            began = time.monotonic()
            with pytest.raises(BackendError):
                call()
            assert time.monotonic() - began < 10
        with pytest.raises(BackendTimeout):
            hurried.put(KEY, b"two", timeout=2)
    finally:
        ceph.bring_back(REGIONS[0])

    assert hurried.get(KEY) in (b"one", b"two", b"late")
    hurried.purge(KEY)
    assert hurried.list_key(KEY) == []


def calls(backend: S3Backend) -> list:  # type: ignore[type-arg]
    """Return one call of each kind."""
    return [
        lambda: backend.put(KEY, b"late", timeout=2),
        lambda: backend.get(KEY),
        lambda: backend.list_key(KEY),
        lambda: list(backend.scan("pack/")),
        lambda: backend.purge(KEY),
        lambda: backend.plant("canary/kept/a", timeout=2),
    ]
