"""Every kind of backend and every wrapper, empty, for the tests of the contract.

A new backend is one more line in ``CASES``, and has to pass all of ``tests/contract``.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from pathlib import Path

from storage.backends.directory import DirectoryBackend
from storage.backends.health import WatchedBackend
from storage.backends.memory import MemoryBackend
from storage.backends.root import create_root
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.ports import Backend, ItemKind, StoredItem
from storage.testing.faults import FaultyBackend
from storage.testing.s3 import CREDENTIALS, S3Server

MIB = 1024 * 1024
UNFINISHED = {ItemKind.UPLOAD, ItemKind.TEMPORARY}


@dataclass(frozen=True)
class BackendCase:
    """An empty backend, and what another client may do to it."""

    backend: Backend
    versioned: bool
    plain_delete: Callable[[str], None] | None = None
    plain_put: Callable[[str, bytes], None] | None = None


def memory(tmp_path: Path, server: S3Server) -> BackendCase:
    """In memory, where a put replaces."""
    backend = MemoryBackend("memory")
    return BackendCase(backend, versioned=False, plain_delete=backend.delete)


def memory_versioned(tmp_path: Path, server: S3Server) -> BackendCase:
    """In memory, with versions and markers."""
    backend = MemoryBackend("memory", versioned=True)
    return BackendCase(backend, versioned=True, plain_delete=backend.delete)


def directory(tmp_path: Path, server: S3Server) -> BackendCase:
    """On a disk."""
    root = tmp_path / "backend"
    create_root("directory", root, os.urandom)
    backend = DirectoryBackend("directory", root, clock=time.monotonic, entropy=os.urandom)
    return BackendCase(backend, versioned=False)


def s3(tmp_path: Path, server: S3Server) -> BackendCase:
    """A bucket without versions."""
    return bucket(server, versioned=False)


def s3_versioned(tmp_path: Path, server: S3Server) -> BackendCase:
    """A bucket with versions."""
    return bucket(server, versioned=True)


def s3_unlistable(tmp_path: Path, server: S3Server) -> BackendCase:
    """Versions and uploads are attested to be off."""
    return bucket(server, versioned=False, listable=False)


def watched(tmp_path: Path, server: S3Server) -> BackendCase:
    """A backend whose health is tracked."""
    inner = memory_versioned(tmp_path, server)
    backend = WatchedBackend(inner.backend, clock=time.monotonic, seconds=1)
    return BackendCase(backend, versioned=True, plain_delete=inner.plain_delete)


def faulty(tmp_path: Path, server: S3Server) -> BackendCase:
    """The backend of the fault kit, without a fault."""
    inner = memory_versioned(tmp_path, server)
    return BackendCase(
        FaultyBackend(inner.backend), versioned=True, plain_delete=inner.plain_delete
    )


def memory_locked(tmp_path: Path, server: S3Server) -> BackendCase:
    """In memory, with object locks."""
    backend = MemoryBackend("memory", versioned=True, locks=True)
    return BackendCase(backend, versioned=True, plain_delete=backend.delete)


def s3_locked(tmp_path: Path, server: S3Server) -> BackendCase:
    """A bucket with object lock, which has versions."""
    return bucket(server, versioned=True, locks=True)


CASES = [
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
LISTS_UPLOADS = [make for make in CASES if make is not s3_unlistable]
NAME = attrgetter("__name__")
NUMBERS = count()


def bucket(
    server: S3Server, *, versioned: bool, listable: bool = True, locks: bool = False
) -> BackendCase:
    """A new bucket of the server."""
    name = f"bucket-{next(NUMBERS)}"
    server.make_bucket(name, "eu-central-1", versioned=versioned, locks=locks)
    opened = Bucket(
        "s3",
        name,
        "eu-central-1",
        endpoint_url=server.url,
        credentials=CREDENTIALS,
        timeout=120,
        clock=time.monotonic,
    )
    backend = S3Backend(opened, attested_off=set() if listable else {"versions", "uploads"})

    def plain_delete(key: str) -> None:
        opened.ask(lambda client: client.delete_object(Bucket=name, Key=key))

    return BackendCase(
        backend, versioned, plain_delete, lambda key, data: server.store(name, key, data)
    )


def kinds(found: list[StoredItem]) -> list[ItemKind]:
    """Return the kinds of the items, sorted."""
    return sorted(item.kind for item in found)


def put(backend: Backend, key: str, data: bytes = b"data") -> None:
    """Store an object."""
    backend.put(key, data, timeout=30)
