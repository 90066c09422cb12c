"""The contract of ``ports.Backend``: objects, keys, ranges, listings and probes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import KeyAbsent
from storage.ports import Backend, ItemKind
from tests.support.backends.kinds import (
    BackendCase,
    kinds,
    put,
)


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


def test_more_than_a_page_of_keys_is_listed(case: BackendCase) -> None:
    """Over 1000 keys: S3 gives 1000 at a time."""
    keys = [f"pack/day/{number:04}" for number in range(1005)]
    store = case.plain_put or (lambda key, data: put(case.backend, key, data))
    for key in keys:
        store(key, b"data")

    assert [trace.key for trace in case.backend.scan("pack/")] == keys


def test_a_listing_goes_on_after_any_key(
    case: BackendCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or unfinished, whether the key is there or not; of a key all is given, or nothing."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    for key in ["a", "b/a-b", "b/a/b", "b/a/b", "b/a/c", "b/ab", "b/ab", "c/1", "d"]:
        put(case.backend, key)
    begun = [case.backend.upload(key, timeout=30) for key in ("b/a/b", "b/b", "e")]
    whole = list(case.backend.scan())

    for after in ["", "a", "aa", "b", "b/", "b/a", "b/a-b", "b/a/b", "b/a/bb", "b/ab", "c", "e"]:
        expected = [trace for trace in whole if trace.key > after]
        within = [trace for trace in expected if trace.key.startswith("b/a")]

        assert list(case.backend.scan(after=after)) == expected
        assert list(case.backend.scan("b/a", after=after)) == within
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


def test_it_lists_objects_at_least(backend: Backend) -> None:
    """Of what it cannot see, a receipt must not say that it was seen to be absent."""
    assert ItemKind.OBJECT in backend.listable
    assert backend.longest_request.total_seconds() >= 0
