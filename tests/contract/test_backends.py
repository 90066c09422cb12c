"""What ``ports.Backend`` promises, asked of every backend and every wrapper.

A new backend is one more line in ``PLACES``, and has to pass all of this.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.backends.directory import DirectoryBackend
from storage.backends.health import WatchedBackend
from storage.backends.memory import MemoryBackend
from storage.backends.root import create_root
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.errors import BackendError, KeyAbsent, PurgeIncomplete
from storage.ports import Backend, ItemKind, StoredItem
from storage.testing.faults import FaultyBackend
from storage.testing.s3 import CREDENTIALS, S3Server

MIB = 1024 * 1024
UNFINISHED = {ItemKind.UPLOAD, ItemKind.TEMPORARY}


@dataclass(frozen=True)
class Place:
    """A backend, empty, and what somebody else may do to it."""

    backend: Backend
    versioned: bool
    plain_delete: Callable[[str], None] | None = None
    plain_put: Callable[[str, bytes], None] | None = None


def memory(tmp_path: Path, server: S3Server) -> Place:
    """In memory, where a put replaces."""
    backend = MemoryBackend("memory")
    return Place(backend, versioned=False, plain_delete=backend.delete)


def memory_versioned(tmp_path: Path, server: S3Server) -> Place:
    """In memory, with versions and markers."""
    backend = MemoryBackend("memory", versioned=True)
    return Place(backend, versioned=True, plain_delete=backend.delete)


def directory(tmp_path: Path, server: S3Server) -> Place:
    """On a disk."""
    root = tmp_path / "backend"
    create_root("directory", root)
    backend = DirectoryBackend("directory", root, clock=time.monotonic, entropy=os.urandom)
    return Place(backend, versioned=False)


def s3(tmp_path: Path, server: S3Server) -> Place:
    """A bucket without versions."""
    return bucket(server, versioned=False)


def s3_versioned(tmp_path: Path, server: S3Server) -> Place:
    """A bucket with versions."""
    return bucket(server, versioned=True)


def s3_unlistable(tmp_path: Path, server: S3Server) -> Place:
    """Versions and uploads are attested to be off."""
    return bucket(server, versioned=False, listable=False)


def watched(tmp_path: Path, server: S3Server) -> Place:
    """What a writer sees of a backend."""
    inner = memory_versioned(tmp_path, server)
    backend = WatchedBackend(inner.backend, clock=time.monotonic, seconds=1)
    return Place(backend, versioned=True, plain_delete=inner.plain_delete)


def faulty(tmp_path: Path, server: S3Server) -> Place:
    """The backend that fails as tests say, while none says so."""
    inner = memory_versioned(tmp_path, server)
    return Place(FaultyBackend(inner.backend), versioned=True, plain_delete=inner.plain_delete)


def memory_locked(tmp_path: Path, server: S3Server) -> Place:
    """In memory, with object locks."""
    backend = MemoryBackend("memory", versioned=True, locks=True)
    return Place(backend, versioned=True, plain_delete=backend.delete)


def s3_locked(tmp_path: Path, server: S3Server) -> Place:
    """A bucket with object lock, which has versions."""
    return bucket(server, versioned=True, locks=True)


PLACES = [
    memory,
    memory_versioned,
    directory,
    s3,
    s3_versioned,
    s3_unlistable,
    memory_locked,
    s3_locked,
    watched,
    faulty,
]
LOCKED = [memory_locked, s3_locked]
VERSIONED = [memory_versioned, memory_locked, s3_versioned, s3_locked, watched, faulty]
LISTS_UPLOADS = [make for make in PLACES if make is not s3_unlistable]
NAME = attrgetter("__name__")
NUMBERS = count()


def bucket(
    server: S3Server, *, versioned: bool, listable: bool = True, locks: bool = False
) -> Place:
    """A new bucket of the server."""
    name = f"bucket-{next(NUMBERS)}"
    server.make_bucket(name, "eu-central-1", versioned=versioned, locks=locks)
    place = Bucket(
        "s3",
        name,
        "eu-central-1",
        endpoint_url=server.url,
        credentials=CREDENTIALS,
        timeout=120,
        clock=time.monotonic,
    )
    backend = S3Backend(place, attested_off=set() if listable else {"versions", "uploads"})

    def plain_delete(key: str) -> None:
        place.ask(lambda client: client.delete_object(Bucket=name, Key=key))

    return Place(backend, versioned, plain_delete, lambda key, data: server.store(name, key, data))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """S3 over HTTP, for all tests of this file."""
    with S3Server() as running:
        yield running


@pytest.fixture(params=PLACES, ids=NAME)
def place(request: pytest.FixtureRequest, tmp_path: Path, server: S3Server) -> Iterator[Place]:
    """An empty backend of each kind."""
    made: Place = request.param(tmp_path, server)
    yield made
    made.backend.close()


@pytest.fixture
def backend(place: Place) -> Backend:
    """An empty backend of each kind."""
    return place.backend


def kinds(found: list[StoredItem]) -> list[ItemKind]:
    """The kinds of what was found, sorted."""
    return sorted(trace.kind for trace in found)


def put(backend: Backend, key: str, data: bytes = b"data") -> None:
    """Store an object."""
    backend.put(key, data, timeout=30)


def test_what_is_put_is_read_and_listed(backend: Backend) -> None:
    """An object comes back whole, and is listed with its size."""
    put(backend, "pack/2026-01-02/a", b"\x00\xffbytes")

    assert backend.get("pack/2026-01-02/a") == b"\x00\xffbytes"
    assert [(t.key, t.kind, t.size) for t in backend.list_key("pack/2026-01-02/a")] == [
        ("pack/2026-01-02/a", ItemKind.OBJECT, 7)
    ]


def test_an_empty_object_is_an_object(backend: Backend) -> None:
    """Nothing is different from nothing stored."""
    put(backend, "empty", b"")

    assert backend.get("empty") == b""
    assert backend.get("empty", 0, 10) == b""
    assert kinds(backend.list_key("empty")) == [ItemKind.OBJECT]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 1, b"0"),
        (3, 7, b"3456"),
        (7, None, b"789"),
        (8, 100, b"89"),
        (10, None, b""),
        (100, 200, b""),
        (5, 5, b""),
        (7, 3, b""),
        (0, 0, b""),
    ],
)
def test_a_range_is_read(backend: Backend, start: int, stop: int | None, expected: bytes) -> None:
    """From ``start`` to before ``stop``; past the end there is nothing, and no error."""
    put(backend, "a/b", b"0123456789")

    assert backend.get("a/b", start, stop) == expected


def test_a_range_does_not_count_from_the_end(backend: Backend) -> None:
    """Python's and HTTP's negative positions mean different things, so there are none."""
    put(backend, "a/b", b"0123456789")

    with pytest.raises(ValueError, match="negative"):
        backend.get("a/b", -3)
    with pytest.raises(ValueError, match="negative"):
        backend.get("a/b", 0, -3)


def test_the_same_key_may_be_put_again(backend: Backend) -> None:
    """Nobody relies on which of the two is read; but it is one of them, and both can be purged."""
    put(backend, "a/b", b"one")
    put(backend, "a/b", b"two")

    assert backend.get("a/b") in {b"one", b"two"}

    backend.purge("a/b")

    assert backend.list_key("a/b") == []


def test_what_is_absent_is_absent(backend: Backend) -> None:
    """Reading it says so without naming it, and purging it is no error."""
    with pytest.raises(KeyAbsent) as caught:
        backend.get("some/key")

    assert "some/key" not in str(caught.value)
    assert caught.value.backend == backend.name
    assert backend.list_key("some/key") == []
    assert list(backend.scan()) == []

    backend.purge("some/key")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        ".tmp/a",
        "a/.b",
        "A",
        "é",
        "a b",
        "a\n",
        "a\\b",
        "a~b",
        "a+b",
        "a\0",
        "a" * 201,
    ],
)
def test_what_is_no_key_is_refused(backend: Backend, key: str) -> None:
    """Nothing is stored, nothing is touched outside the backend, and the text does not show it."""
    calls: list[Callable[[], object]] = [
        lambda: put(backend, key),
        lambda: backend.upload(key, timeout=30),
        lambda: backend.get(key),
        lambda: backend.purge(key),
        lambda: backend.list_key(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not a key") as caught:
            call()
        assert len(key) < 2 or key not in str(caught.value)
    assert list(backend.scan()) == []


def test_an_upload_is_there_when_it_is_finished(backend: Backend) -> None:
    """Of any size, in pieces of any size, and not a moment earlier."""
    piece, digest = os.urandom(MIB - 7), hashlib.sha256()
    with backend.upload("file/kept/a", timeout=30) as upload:
        for _ in range(18):
            upload.write(piece)
            digest.update(piece)
        with pytest.raises(KeyAbsent):
            backend.get("file/kept/a")
        assert set(kinds(backend.list_key("file/kept/a"))) <= UNFINISHED & backend.listable
        upload.finish()

    assert hashlib.sha256(backend.get("file/kept/a")).digest() == digest.digest()
    assert backend.get("file/kept/a", 17 * (MIB - 7), 17 * (MIB - 7) + 5) == piece[:5]
    assert kinds(backend.list_key("file/kept/a")) == [ItemKind.OBJECT]


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB])
def test_an_upload_of_any_size_is_whole(backend: Backend, size: int) -> None:
    """Sizes around the limits of parts, in one piece."""
    data = os.urandom(16) * (size // 16) + b"x" * (size % 16)
    with backend.upload("a", timeout=30) as upload:
        upload.write(data)
        upload.finish()

    assert backend.get("a") == data


@pytest.mark.parametrize("size", [100, 9 * MIB])
def test_an_upload_that_fails_midway_leaves_nothing(backend: Backend, size: int) -> None:
    """The error of the stream comes through, and every byte is taken back."""

    def store_a_broken_stream() -> None:
        with backend.upload("a/b", timeout=30) as upload:
            upload.write(b"x" * size)
            raise RuntimeError("the stream broke")

    with pytest.raises(RuntimeError, match="the stream broke"):
        store_a_broken_stream()

    assert backend.list_key("a/b") == []
    assert list(backend.scan()) == []
    with pytest.raises(KeyAbsent):
        backend.get("a/b")


@pytest.mark.parametrize("size", [100, 9 * MIB])
def test_an_aborted_upload_cannot_go_on(backend: Backend, size: int) -> None:
    """Aborting twice is no error; writing and finishing afterwards are, and store nothing."""
    upload = backend.upload("a/b", timeout=30)
    upload.write(b"x" * size)
    upload.abort()
    upload.abort()

    with pytest.raises(BackendError):
        upload.write(b"more")
    with pytest.raises(BackendError):
        upload.finish()
    assert backend.list_key("a/b") == []


def test_abort_after_finish_changes_nothing(backend: Backend) -> None:
    """What is finished is an object like another."""
    upload = backend.upload("a/b", timeout=30)
    upload.write(b"data")
    upload.finish()
    upload.abort()

    assert backend.get("a/b") == b"data"


@pytest.mark.parametrize("place", LISTS_UPLOADS, ids=NAME, indirect=True)
def test_a_purged_upload_cannot_finish(backend: Backend) -> None:
    """Who was slow finds nothing to finish, so what was purged does not come back."""
    with suppress(BackendError), backend.upload("a/b", timeout=30) as upload:
        upload.write(b"x" * 9 * MIB)
        backend.purge("a/b")
        upload.write(b"y")
        upload.finish()
        pytest.fail("it finished")

    assert backend.list_key("a/b") == []


def test_purge_takes_everything_of_a_key(place: Place) -> None:
    """Every version, every marker, every upload; however they came to be."""
    backend = place.backend
    expected = [ItemKind.OBJECT]
    for data in (b"one", b"two"):
        put(backend, "a/b", data)
    if place.versioned and place.plain_delete is not None:
        place.plain_delete("a/b")
        put(backend, "a/b", b"three")
        place.plain_delete("a/b")
        expected = [ItemKind.MARKER] * 2 + [ItemKind.VERSION] * 3
    uploads = [backend.upload("a/b", timeout=30) for _ in range(2)]
    for upload in uploads:
        upload.write(b"x" * 9 * MIB)
    if UNFINISHED & backend.listable:
        expected += [
            ItemKind.TEMPORARY if ItemKind.TEMPORARY in backend.listable else ItemKind.UPLOAD
        ] * 2

    assert kinds(backend.list_key("a/b")) == sorted(expected)

    backend.purge("a/b")

    assert backend.list_key("a/b") == []
    assert list(backend.scan()) == []
    with pytest.raises(KeyAbsent):
        backend.get("a/b")
    for upload in uploads:
        with suppress(BackendError):
            upload.abort()


@pytest.mark.parametrize("place", VERSIONED, ids=NAME, indirect=True)
def test_a_marker_hides_what_is_still_there(place: Place) -> None:
    """After somebody's plain delete nothing is read under the key, and the versions are listed."""
    backend = place.backend
    put(backend, "a/b", b"one")
    assert place.plain_delete is not None
    place.plain_delete("a/b")

    with pytest.raises(KeyAbsent):
        backend.get("a/b")
    by_kind = {trace.kind: trace.handle for trace in backend.list_key("a/b")}
    assert by_kind.keys() == {ItemKind.VERSION, ItemKind.MARKER}
    assert backend.get("a/b", 1, 2, version=by_kind[ItemKind.VERSION]) == b"n"
    with pytest.raises(KeyAbsent):
        backend.get("a/b", version=by_kind[ItemKind.MARKER])


@pytest.mark.parametrize("place", VERSIONED, ids=NAME, indirect=True)
def test_versions_are_read_by_their_handle(place: Place) -> None:
    """Each trace that is readable names what is read."""
    put(place.backend, "a/b", b"one")
    put(place.backend, "a/b", b"two")
    found = {
        trace.kind: place.backend.get("a/b", version=trace.handle)
        for trace in place.backend.list_key("a/b")
    }

    assert found == {ItemKind.VERSION: b"one", ItemKind.OBJECT: b"two"}


def test_what_was_preserved_is_purged_when_it_is_released(backend: Backend) -> None:
    """Whatever the place can do about it; twice is once, and what is absent is no error."""
    put(backend, "held/kept/a")
    for _ in range(2):
        backend.preserve("held/kept/a")
    assert backend.get("held/kept/a") == b"data"
    for _ in range(2):
        backend.release("held/kept/a")
    backend.purge("held/kept/a")

    assert backend.list_key("held/kept/a") == []
    backend.release("held/kept/a")


@pytest.mark.parametrize("place", LOCKED, ids=NAME, indirect=True)
def test_a_place_with_locks_refuses_to_delete_what_is_preserved(place: Place) -> None:
    """Not by a purge, and not by whoever deletes another version; its neighbour is free."""
    backend = place.backend
    for key in ("held/kept/a", "held/kept/ab"):
        put(backend, key)
    backend.preserve("held/kept/a")

    with pytest.raises(PurgeIncomplete):
        backend.purge("held/kept/a")
    backend.purge("held/kept/ab")
    assert backend.get("held/kept/a") == b"data"
    assert backend.list_key("held/kept/ab") == []
    with pytest.raises(KeyAbsent):
        backend.preserve("held/kept/none")


NEIGHBOURS = ["a/b-c", "a/b.c", "a/b0", "a/bb", "a/bc/d", "a/c", "ab", "a-b"]


def test_purge_leaves_the_neighbours(place: Place) -> None:
    """A listing by prefix shows keys that only begin alike: their versions and uploads stay."""
    backend, uploads = place.backend, []
    for key in ["a/b", *NEIGHBOURS]:
        put(backend, key, b"one")
        put(backend, key, b"two")
        uploads.append(backend.upload(key, timeout=30))
        uploads[-1].write(b"x" * 9 * MIB)
    before = {key: backend.list_key(key) for key in NEIGHBOURS}

    assert {trace.key for trace in backend.list_key("a/b")} == {"a/b"}

    backend.purge("a/b")

    assert backend.list_key("a/b") == []
    assert {key: backend.list_key(key) for key in NEIGHBOURS} == before
    assert all(backend.get(key) == b"two" for key in NEIGHBOURS)
    for upload in uploads:
        with suppress(BackendError):
            upload.abort()


def test_more_than_a_page_of_keys_is_listed(place: Place) -> None:
    """Over 1000 keys: S3 gives 1000 at a time."""
    keys = [f"pack/day/{number:04}" for number in range(1005)]
    store = place.plain_put or (lambda key, data: put(place.backend, key, data))
    for key in keys:
        store(key, b"data")

    assert [trace.key for trace in place.backend.scan("pack/")] == keys


def test_more_than_a_page_of_versions_is_purged(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key whose versions and markers fill several pages, among keys that begin alike."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")
    for key in ["a/b", *["a/b0", "a/b"] * 10]:
        put(place.backend, key)
    if place.plain_delete is not None:
        place.plain_delete("a/b")
    expected = 12 if place.versioned else int(place.plain_delete is None)

    assert len(place.backend.list_key("a/b")) == expected

    place.backend.purge("a/b")

    assert place.backend.list_key("a/b") == []
    assert len(place.backend.list_key("a/b0")) == (10 if place.versioned else 1)


def test_a_listing_goes_on_after_any_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or unfinished, whether the key is there or not; of a key all is given, or nothing."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    for key in ["a", "b/a-b", "b/a/b", "b/a/b", "b/a/c", "b/ab", "b/ab", "c/1", "d"]:
        put(place.backend, key)
    begun = [place.backend.upload(key, timeout=30) for key in ("b/a/b", "b/b", "e")]
    whole = list(place.backend.scan())

    for after in ["", "a", "aa", "b", "b/", "b/a", "b/a-b", "b/a/b", "b/a/bb", "b/ab", "c", "e"]:
        expected = [trace for trace in whole if trace.key > after]
        within = [trace for trace in expected if trace.key.startswith("b/a")]

        assert list(place.backend.scan(after=after)) == expected
        assert list(place.backend.scan("b/a", after=after)) == within
    for upload in begun:
        upload.abort()


part = st.from_regex(r"[a-c0=_-][a-c0.=_-]{0,3}", fullmatch=True)
key_sets = st.sets(st.lists(part, min_size=1, max_size=3).map("/".join), max_size=8)


@given(keys=key_sets, started=key_sets, prefix=st.sampled_from(["", "a", "a/", "a-", "b/c", "zz"]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_scan_is_in_the_order_of_keys(
    backend: Backend, keys: set[str], started: set[str], prefix: str
) -> None:
    """As bytes: '-' and '.' come before '/', which comes before digits and letters."""
    # no key may be a folder of another: a disk has one or the other under a name
    kept = {key for key in keys if not any(other.startswith(key + "/") for other in keys)}
    for key in kept:
        put(backend, key)
    uploads = [backend.upload(key, timeout=30) for key in started]
    expected = sorted(key for key in kept if key.startswith(prefix))

    found = list(backend.scan(prefix))

    assert [t.key for t in found if t.kind is ItemKind.OBJECT] == expected
    assert [t.key for t in found] == sorted(t.key for t in found)
    assert all(t.key.startswith(prefix) for t in found)
    for upload in uploads:
        upload.abort()
    for key in kept:
        backend.purge(key)
    assert list(backend.scan()) == []


def test_many_threads_at_the_same_time(backend: Backend) -> None:
    """Puts beside purges in the same folders: what was put is there, what was purged is not."""
    kept = [f"day/{n % 3}/{n}/kept" for n in range(60)]
    gone = [f"day/{n % 3}/{n}/gone" for n in range(60)]

    def put_and_purge(key: str) -> None:
        put(backend, key, key.encode())
        backend.purge(key)

    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(put_and_purge, key) for key in gone]
        running += [pool.submit(put, backend, key, key.encode()) for key in kept]
        for future in running:
            future.result()

    assert [trace.key for trace in backend.scan()] == sorted(kept)
    assert all(backend.get(key) == key.encode() for key in kept)


def test_a_probe_leaves_nothing(backend: Backend) -> None:
    """It uses every right on its own key and takes back what it made; others' keys stay."""
    put(backend, "canary/1")

    backend.probe("canary/1-2")

    assert [trace.key for trace in backend.scan()] == ["canary/1"]


def test_it_sees_objects_at_least(backend: Backend) -> None:
    """Of what it cannot see, a receipt must not say that it was seen to be absent."""
    assert ItemKind.OBJECT in backend.listable
    assert backend.longest_request.total_seconds() >= 0
