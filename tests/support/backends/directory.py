"""A directory backend, for tests of failures around it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backends.directory import DirectoryBackend
from storage.backends.marker import NAME as MARKER
from storage.backends.root import create_root

KEY = "pack/2026-01-02/secret-name"


class Clock:
    """A monotonic clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of an empty backend."""
    create_root("eu-a", tmp_path / "root", os.urandom)
    return tmp_path / "root"


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the backend."""
    return Clock()


@pytest.fixture
def backend(root: Path, clock: Clock) -> DirectoryBackend:
    """Return a backend in that root."""
    return DirectoryBackend("eu-a", root, clock=clock, entropy=os.urandom)


def files(root: Path) -> list[str]:
    """Return all files below the root except the marker."""
    found = (path for path in root.rglob("*") if not path.is_dir())
    return sorted(str(path.relative_to(root)) for path in found if path.name != MARKER)


def put(backend: DirectoryBackend, key: str = KEY, data: bytes = b"data") -> None:
    """Store an object."""
    backend.put(key, data, timeout=10)


CALLS: dict[str, Callable[[DirectoryBackend], object]] = {
    "put": put,
    "upload": lambda backend: backend.upload(KEY, timeout=10),
    "get": lambda backend: backend.get(KEY),
    "purge": lambda backend: backend.purge(KEY),
    "list_key": lambda backend: backend.list_key(KEY),
    "scan": lambda backend: list(backend.scan()),
    "probe": lambda backend: backend.probe(KEY),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
