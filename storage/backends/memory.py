"""A backend in memory, for tests; optionally with versions and object locks."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from uuid import UUID

from storage.backends.keys import checked, is_empty
from storage.backends.probing import CONTROL, exercise
from storage.backends.uploads import AbortingUpload
from storage.errors import BackendUnavailable, KeyAbsent, PurgeIncomplete
from storage.model import Posture
from storage.ports import ItemKind, ObjectLock, StoredItem


@dataclass(frozen=True, slots=True)
class _Version:
    handle: str | None
    data: bytes | None  # None: a delete marker


@dataclass(slots=True)
class _Upload:
    key: str
    data: bytearray = field(default_factory=bytearray)


class _Contents:
    """The content of a bucket. Callers hold the lock."""

    def __init__(self, *, versioned: bool) -> None:
        self.lock = threading.Lock()
        self.numbers = count(1)
        self.identity: UUID | None = None
        self.versions: dict[str, list[_Version]] = {}  # the current one is the last
        self.uploads: dict[str, _Upload] = {}  # by handle
        self._versioned = versioned

    def add(self, key: str, data: bytes) -> None:
        handle = f"version-{next(self.numbers)}" if self._versioned else None
        before = self.versions.get(key, []) if self._versioned else []
        self.versions[key] = [*before, _Version(handle, data)]

    def delete(self, key: str) -> None:
        if self._versioned:
            marker = _Version(f"version-{next(self.numbers)}", None)
            self.versions.setdefault(key, []).append(marker)
        else:
            self.versions.pop(key, None)

    def list_key(self, key: str) -> list[StoredItem]:
        found = [
            StoredItem(key, ItemKind.UPLOAD, len(upload.data), handle)
            for handle, upload in self.uploads.items()
            if upload.key == key
        ]
        versions = self.versions.get(key, [])
        for version in reversed(versions):
            if version.data is None:
                found.append(StoredItem(key, ItemKind.MARKER, 0, version.handle))
            else:
                kind = ItemKind.OBJECT if version is versions[-1] else ItemKind.VERSION
                found.append(StoredItem(key, kind, len(version.data), version.handle))
        return found


class MemoryBackend:
    """Stores objects until the process ends."""

    def __init__(
        self,
        name: str,
        *,
        versioned: bool = False,
        locks: bool = False,
        longest_request: timedelta = timedelta(),
    ) -> None:
        """``versioned`` and ``locks``: whether it has versions and object locks, as S3 may."""
        self.name = name
        self.longest_request = longest_request
        self.listable = frozenset(
            {ItemKind.OBJECT, ItemKind.UPLOAD}
            | ({ItemKind.VERSION, ItemKind.MARKER} if versioned else set())
        )
        self._locks = locks
        self._preserved: set[str] = set()
        self._contents = _Contents(versioned=versioned)

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        with self._contents.lock:
            self._contents.add(checked(key), bytes(data))

    def upload(self, key: str, *, timeout: float) -> "MemoryUpload":
        return MemoryUpload(self.name, self._contents, checked(key))

    def delete(self, key: str) -> None:
        """Delete as another client would: leaves a delete marker if there are versions."""
        with self._contents.lock:
            self._contents.delete(checked(key))

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        if is_empty(start, stop):
            return b""
        with self._contents.lock:
            found = self._contents.versions.get(checked(key), [])
        wanted = found[-1:] if version is None else [v for v in found if v.handle == version]
        if not wanted or wanted[0].data is None:
            raise KeyAbsent(self.name)
        return wanted[0].data[start:stop]

    def preserve(self, key: str) -> None:
        with self._contents.lock:
            if self._locks and checked(key) not in self._contents.versions:
                raise KeyAbsent(self.name)
            if self._locks:
                self._preserved.add(key)

    def release(self, key: str) -> None:
        with self._contents.lock:
            self._preserved.discard(checked(key))

    def purge(self, key: str) -> None:
        checked(key)
        with self._contents.lock:
            if key in self._preserved:
                raise PurgeIncomplete(self.name, "an object lock preserves it")
            self._contents.versions.pop(key, None)
            for handle, upload in list(self._contents.uploads.items()):
                if upload.key == key:
                    del self._contents.uploads[handle]

    def find_lock(self, key: str) -> ObjectLock | None:
        with self._contents.lock:
            return ObjectLock(None, held=True) if checked(key) in self._preserved else None

    def list_key(self, key: str) -> list[StoredItem]:
        with self._contents.lock:
            return self._contents.list_key(checked(key))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        with self._contents.lock:
            keys = {upload.key for upload in self._contents.uploads.values()}
            keys |= self._contents.versions.keys()
        for key in sorted(key for key in keys if key.startswith(prefix) and key > after):
            yield from self.list_key(key)

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        with self._contents.lock:
            self._contents.add(checked(key), CONTROL)
            if ItemKind.MARKER in self.listable:
                self._contents.delete(key)
                self._contents.add(key, CONTROL)
        self.upload(key, timeout=timeout)
        return self.listable

    def probe(self, key: str) -> None:
        exercise(self, key, timeout=1)

    def identity(self, *, timeout: float) -> UUID | None:
        with self._contents.lock:
            return self._contents.identity

    def expect(self, identity: UUID) -> None:
        """Do nothing: nobody can exchange it."""

    def identify(self, identity: UUID, *, timeout: float) -> None:
        with self._contents.lock:
            self._contents.identity = identity

    def posture(self, *, timeout: float) -> Posture:
        return {}

    def close(self) -> None:
        """Do nothing: there are no connections."""


class MemoryUpload(AbortingUpload):
    """An upload to memory."""

    def __init__(self, backend: str, contents: _Contents, key: str) -> None:
        super().__init__()
        self._backend, self._contents = backend, contents
        with contents.lock:
            self._handle = f"upload-{next(contents.numbers)}"
            contents.uploads[self._handle] = _Upload(key)

    def write(self, data: bytes) -> None:
        with self._contents.lock:
            self._opened().data.extend(data)

    def finish(self) -> None:
        with self._contents.lock:
            upload = self._opened()
            self._contents.add(upload.key, bytes(upload.data))
            del self._contents.uploads[self._handle]
        self.finished = True

    def abort(self) -> None:
        with self._contents.lock:
            self._contents.uploads.pop(self._handle, None)

    def _opened(self) -> _Upload:
        if self._handle not in self._contents.uploads:
            raise BackendUnavailable(self._backend, "the upload no longer exists")
        return self._contents.uploads[self._handle]
