"""The contract of ``ports.Backend``: the identity of its storage."""

import os
import time
from pathlib import Path
from uuid import UUID

import pytest

from storage.backends.directory import DirectoryBackend
from storage.backends.s3.backend import S3Backend
from storage.errors import BackendMisplaced
from storage.ports import Backend
from storage.testing.s3 import S3Server
from tests.support.backends import kinds
from tests.support.backends.kinds import put

ONE, TWO = UUID(int=1), UUID(int=2)


def test_storage_gets_an_identity(backend: Backend) -> None:
    """It has none at first; a second one replaces the first, as one that was cut off."""
    assert backend.identity(timeout=10) is None

    for identity in (ONE, TWO, TWO):
        backend.identify(identity, timeout=10)

        assert backend.identity(timeout=10) == identity


def test_the_identity_is_none_of_the_objects(backend: Backend) -> None:
    """No listing shows it, and it stays when everything is purged."""
    backend.identify(ONE, timeout=10)
    put(backend, "a/b", b"data")

    assert {item.key for item in backend.scan()} == {"a/b"}

    for item in list(backend.scan()):
        backend.purge(item.key)

    assert list(backend.scan()) == []
    assert backend.identity(timeout=10) == ONE


@pytest.mark.parametrize("found", [b"", b"x", b"The files", bytes(300)])
def test_a_damaged_marker_is_nobodys(tmp_path: Path, server: S3Server, found: bytes) -> None:
    """Also one that is too long, or was cut off."""
    directory = kinds.directory(tmp_path, server).backend
    bucket = kinds.s3(tmp_path, server).backend
    assert isinstance(bucket, S3Backend)
    (tmp_path / "backend" / ".domicile").write_bytes(found)
    server.store(bucket._bucket.name, ".domicile", found)

    for backend in (directory, bucket):
        with pytest.raises(BackendMisplaced):
            backend.identity(timeout=10)


def test_storage_of_another_backend_is_refused(tmp_path: Path, server: S3Server) -> None:
    """Two entries of the topology that name one bucket are one replica, not two."""
    bucket = kinds.s3(tmp_path, server).backend
    bucket.identify(ONE, timeout=10)
    assert isinstance(bucket, S3Backend)
    bucket.name = "other"

    with pytest.raises(BackendMisplaced, match="of another backend"):
        bucket.identity(timeout=10)


def test_a_marker_that_was_cut_off_is_no_object(tmp_path: Path, server: S3Server) -> None:
    """A process may be killed while it writes one."""
    kinds.directory(tmp_path, server)
    root = tmp_path / "backend"
    (root / ".domicile.0123456789abcdef").write_bytes(b"The fi")
    backend = DirectoryBackend("directory", root, clock=time.monotonic, entropy=os.urandom)

    assert list(backend.scan()) == []
    assert backend.identity(timeout=10) is None
