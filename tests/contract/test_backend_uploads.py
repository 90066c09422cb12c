"""The contract of ``ports.Backend``: uploads."""

import hashlib
import os
from contextlib import suppress

import pytest

from storage.errors import BackendError, KeyAbsent
from storage.ports import Backend, ItemKind
from tests.support.backends.kinds import (
    LISTS_UPLOADS,
    MIB,
    NAME,
    UNFINISHED,
    kinds,
)


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


@pytest.mark.parametrize("case", LISTS_UPLOADS, ids=NAME, indirect=True)
def test_a_purged_upload_cannot_finish(backend: Backend) -> None:
    """Who was slow finds nothing to finish, so what was purged does not come back."""
    with suppress(BackendError), backend.upload("a/b", timeout=30) as upload:
        upload.write(b"x" * 9 * MIB)
        backend.purge("a/b")
        upload.write(b"y")
        upload.finish()
        pytest.fail("it finished")

    assert backend.list_key("a/b") == []
