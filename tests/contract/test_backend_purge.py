"""The contract of ``ports.Backend``: purges, versions, markers and locks."""

from contextlib import suppress

import pytest

from storage.errors import BackendError, KeyAbsent, PurgeIncomplete
from storage.ports import Backend, ItemKind, ObjectLock
from tests.support.backends.kinds import (
    LOCKED,
    MIB,
    NAME,
    UNFINISHED,
    VERSIONED,
    BackendCase,
    kinds,
    put,
)


def test_purge_takes_everything_of_a_key(case: BackendCase) -> None:
    """Every version, every marker, every upload; however they came to be."""
    backend = case.backend
    expected = [ItemKind.OBJECT]
    for data in (b"one", b"two"):
        put(backend, "a/b", data)
    if case.versioned and case.plain_delete is not None:
        case.plain_delete("a/b")
        put(backend, "a/b", b"three")
        case.plain_delete("a/b")
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


@pytest.mark.parametrize("case", VERSIONED, ids=NAME, indirect=True)
def test_a_marker_hides_what_is_still_there(case: BackendCase) -> None:
    """After a plain delete of another client a read finds nothing, and the versions are listed."""
    backend = case.backend
    put(backend, "a/b", b"one")
    assert case.plain_delete is not None
    case.plain_delete("a/b")

    with pytest.raises(KeyAbsent):
        backend.get("a/b")
    by_kind = {trace.kind: trace.handle for trace in backend.list_key("a/b")}
    assert by_kind.keys() == {ItemKind.VERSION, ItemKind.MARKER}
    assert backend.get("a/b", 1, 2, version=by_kind[ItemKind.VERSION]) == b"n"
    with pytest.raises(KeyAbsent):
        backend.get("a/b", version=by_kind[ItemKind.MARKER])


@pytest.mark.parametrize("case", VERSIONED, ids=NAME, indirect=True)
def test_versions_are_read_by_their_handle(case: BackendCase) -> None:
    """Each trace that is readable names what is read."""
    put(case.backend, "a/b", b"one")
    put(case.backend, "a/b", b"two")
    found = {
        trace.kind: case.backend.get("a/b", version=trace.handle)
        for trace in case.backend.list_key("a/b")
    }

    assert found == {ItemKind.VERSION: b"one", ItemKind.OBJECT: b"two"}


def test_what_was_preserved_is_purged_when_it_is_released(backend: Backend) -> None:
    """Whatever the case can do about it; twice is once, and what is absent is no error."""
    put(backend, "held/kept/a")
    for _ in range(2):
        backend.preserve("held/kept/a")
    assert backend.get("held/kept/a") == b"data"
    for _ in range(2):
        backend.release("held/kept/a")
    backend.purge("held/kept/a")

    assert backend.list_key("held/kept/a") == []
    assert backend.find_lock("held/kept/a") is None
    backend.release("held/kept/a")


@pytest.mark.parametrize("case", LOCKED, ids=NAME, indirect=True)
def test_a_place_with_locks_refuses_to_delete_what_is_preserved(case: BackendCase) -> None:
    """Neither a purge nor a delete of another version removes it; other keys are not locked."""
    backend = case.backend
    for key in ("held/kept/a", "held/kept/ab"):
        put(backend, key)
    backend.preserve("held/kept/a")

    with pytest.raises(PurgeIncomplete):
        backend.purge("held/kept/a")
    assert backend.find_lock("held/kept/a") == ObjectLock(None, held=True)
    assert backend.find_lock("held/kept/ab") is None
    backend.purge("held/kept/ab")
    assert backend.get("held/kept/a") == b"data"
    assert backend.list_key("held/kept/ab") == []
    with pytest.raises(KeyAbsent):
        backend.preserve("held/kept/none")


NEIGHBOURS = ["a/b-c", "a/b.c", "a/b0", "a/bb", "a/bc/d", "a/c", "ab", "a-b"]


def test_purge_leaves_the_neighbours(case: BackendCase) -> None:
    """A listing by prefix shows keys that only begin alike: their versions and uploads stay."""
    backend, uploads = case.backend, []
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


def test_more_than_a_page_of_versions_is_purged(
    case: BackendCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key whose versions and markers fill several pages, among keys that begin alike."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")
    for key in ["a/b", *["a/b0", "a/b"] * 10]:
        put(case.backend, key)
    if case.plain_delete is not None:
        case.plain_delete("a/b")
    expected = 12 if case.versioned else int(case.plain_delete is None)

    assert len(case.backend.list_key("a/b")) == expected

    case.backend.purge("a/b")

    assert case.backend.list_key("a/b") == []
    assert len(case.backend.list_key("a/b0")) == (10 if case.versioned else 1)


def test_a_control_is_listed_in_every_kind_until_it_is_purged(case: BackendCase) -> None:
    """If a kind is missing, nothing that is missing from this listing counts as gone."""
    backend = case.backend
    of_versions = set() if case.versioned else {ItemKind.VERSION, ItemKind.MARKER}

    planted = backend.plant("canary/kept/a", timeout=30)

    assert planted == backend.listable - of_versions
    assert set(kinds(backend.list_key("canary/kept/a"))) == planted
    backend.purge("canary/kept/a")
    assert backend.list_key("canary/kept/a") == []
