"""A backend in a directory of a disk. The path of an object below the root is its key.

An object is complete or absent: it is written under another name, made durable, and renamed. A
temporary file that a crash leaves names its key, is listed, and is removed when the key is purged.

Symbolic links below the root are never followed. A link at the place of an object is listed and
purged like one, without what it points to; a link at the place of a directory is an error.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import merge
from operator import attrgetter
from pathlib import Path
from uuid import UUID

from regions.backends import DirectorySpec
from storage.backends.keys import checked, is_empty
from storage.backends.probing import CONTROL, exercise
from storage.backends.root import (
    TEMPORARY,
    create_root,
    folder,
    free_bytes,
    mark,
    opened_root,
    parents,
    read_marker,
    sync,
    translating,
)
from storage.backends.tree import (
    ABSENT,
    items_at,
    opened_file,
    remove_empty_parents,
    split,
    temporary_files,
    temporary_items,
    walk,
)
from storage.backends.uploads import AbortingUpload
from storage.errors import (
    BackendError,
    BackendFull,
    BackendReplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.model import Entropy, Posture
from storage.ports import ItemKind, ObjectLock, StoredItem

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class _Location:
    """A root directory, and what writing below it needs."""

    name: str
    root: Path
    clock: Callable[[], float]
    entropy: Entropy
    reserve: int
    free: Callable[[int], int]
    expected: UUID | None = None

    @contextmanager
    def opened(self) -> Iterator[int]:
        with self.translating(), opened_root(self.name, self.root, self.expected) as root:
            yield root

    def translating(self) -> AbstractContextManager[None]:
        """Translate errors of the operating system."""
        return translating(self.name, self.root)


def open_directory(
    spec: DirectorySpec, *, data_dir: Path, clock: Callable[[], float], entropy: Entropy
) -> "DirectoryBackend":
    """Return the directory as a backend. A relative path is below ``data_dir``."""
    return DirectoryBackend(
        spec.name,
        data_dir / spec.path,
        clock=clock,
        entropy=entropy,
        reserve=spec.reserve_mib * 1024 * 1024,
        longest_request=spec.longest_request,
    )


def create_directory(spec: DirectorySpec, *, data_dir: Path, entropy: Entropy) -> None:
    """Create the directory and its marker; an existing one stays. Raises BackendError."""
    create_root(spec.name, data_dir / spec.path, entropy)


def check_directory(spec: DirectorySpec, identity: UUID, *, data_dir: Path) -> None:
    """Raise BackendReplaced if the directory is not the one with this identity, or is absent."""
    root = data_dir / spec.path
    with translating(spec.name, root):
        try:
            with opened_root(spec.name, root) as handle:
                found = read_marker(spec.name, handle)
        except BackendUnavailable as error:
            raise BackendReplaced(
                spec.name,
                "this catalog stored in its directory before, and it is not there.",
                advice="Is the disk mounted? New storage needs a backend of a new name; or, if the "
                "former is lost for good: domicile backend lost",
            ) from error
    if found != identity:
        raise BackendReplaced(spec.name)


class DirectoryBackend:
    """A directory that ``create_root`` made. This class never creates it: see ``opened_root``.

    ``clock`` returns monotonic seconds; ``entropy`` makes names of temporary files; ``reserve`` is
    the number of bytes that ``free`` must return after a write. A timeout cannot interrupt the
    operating system, but no object appears under its key after the timeout.
    """

    listable = frozenset({ItemKind.OBJECT, ItemKind.TEMPORARY})

    def __init__(
        self,
        name: str,
        root: Path,
        *,
        clock: Callable[[], float],
        entropy: Entropy,
        reserve: int = 0,
        longest_request: timedelta = timedelta(),
        free: Callable[[int], int] = free_bytes,
    ) -> None:
        self.name = name
        self.longest_request = longest_request
        self._location = _Location(name, root, clock, entropy, reserve, free)

    def put(self, key: str, data: bytes, *, timeout: float, urgent: bool = False) -> None:
        deadline = self._location.clock() + timeout
        location = replace(self._location, reserve=0) if urgent else self._location
        with DirectoryUpload(location, checked(key), timeout) as upload:
            upload.write(data)
            upload.publish(deadline)

    def upload(self, key: str, *, timeout: float) -> "DirectoryUpload":
        return DirectoryUpload(self._location, checked(key), timeout)

    def get(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        checked(key)
        if is_empty(start, stop):
            return b""
        if version is not None:
            raise KeyAbsent(self.name)
        with self._location.opened() as root:
            try:
                with opened_file(key, root) as file:
                    file.seek(start)
                    return file.read(None if stop is None else stop - start)
            except ABSENT:
                raise KeyAbsent(self.name) from None

    def preserve(self, key: str) -> None:
        """Do nothing: a directory has no object locks."""
        checked(key)

    def release(self, key: str) -> None:
        """Do nothing: ``preserve`` did nothing."""
        checked(key)

    def find_lock(self, key: str) -> ObjectLock | None:
        """Return None: a directory has no object locks."""
        checked(key)
        return None

    def purge(self, key: str) -> None:
        checked(key)
        refused: list[BackendError] = []
        with self._location.opened() as root:
            # Temporary files first: one that is being renamed is found under its key afterwards.
            names = [(TEMPORARY, name) for of, name in temporary_files(root) if of == key]
            for path, name in [*names, split(key)]:
                try:
                    with (
                        self._location.translating(),
                        suppress(*ABSENT),
                        folder(path, root) as parent,
                    ):
                        os.unlink(name, dir_fd=parent)
                except BackendError as error:
                    refused.append(error)
            # Also for an absent key: the process that removed it may have crashed before its fsync.
            sync(TEMPORARY, root)
            remove_empty_parents(key, root)
        if refused:
            message = f"{len(refused)} of its files could not be removed"
            raise PurgeIncomplete(self.name, message) from refused[0]

    def list_key(self, key: str) -> list[StoredItem]:
        checked(key)
        with self._location.opened() as root:
            found = [item for item in temporary_items(root) if item.key == key]
            return [*found, *items_at(key, ItemKind.OBJECT, key, root)]

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[StoredItem]:
        with self._location.opened() as root:
            with suppress(*ABSENT), folder(split(prefix)[0], root):
                pass  # a link in the way would hide what is below the prefix
            unfinished = (
                t for t in temporary_items(root) if t.key.startswith(prefix) and t.key > after
            )
            walked = walk("", prefix, after, root)
            yield from merge(unfinished, walked, key=attrgetter("key"))

    def plant(self, key: str, *, timeout: float) -> frozenset[ItemKind]:
        self.put(key, CONTROL, timeout=timeout, urgent=True)
        DirectoryUpload(replace(self._location, reserve=0), key, timeout).leave()
        return self.listable

    def probe(self, key: str) -> None:
        exercise(self, key, timeout=60)

    def identity(self, *, timeout: float) -> UUID | None:
        with self._location.opened() as root:
            return read_marker(self.name, root)

    def expect(self, identity: UUID) -> None:
        self._location = replace(self._location, expected=identity)

    def identify(self, identity: UUID, *, timeout: float) -> None:
        with self._location.opened() as root:
            mark(self.name, root, identity, self._location.entropy)

    def posture(self, *, timeout: float) -> Posture:
        return {}

    def close(self) -> None:
        """Do nothing: no file is open between calls."""


class DirectoryUpload(AbortingUpload):
    """A temporary file that becomes an object."""

    def __init__(self, location: _Location, key: str, timeout: float) -> None:
        super().__init__()
        self._location, self._key, self._timeout = location, key, timeout
        unique = location.entropy(8).hex()
        self._temporary = f"{key.replace('/', '+')}~{unique}"
        with ExitStack() as stack:
            self._root = stack.enter_context(location.opened())
            self._check_room(0)
            self._folder = stack.enter_context(folder(TEMPORARY, self._root))
            self._file = os.open(self._temporary, _NEW, 0o600, dir_fd=self._folder)
            stack.callback(os.close, self._file)
            self._opened = stack.pop_all()

    def write(self, data: bytes) -> None:
        self._check_open()
        with self._location.translating():
            self._check_room(len(data))
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def finish(self) -> None:
        self.publish(self._location.clock() + self._timeout)

    def publish(self, deadline: float) -> None:
        """Finish, unless the clock has reached ``deadline``. Raises BackendUnavailable."""
        self._check_open()
        with self._location.translating():
            os.fsync(self._file)
            # The process may be suspended here for hours. It must not publish afterwards: it
            # either sees that it is late, or finds that its file has been purged.
            if self._location.clock() >= deadline:
                raise BackendUnavailable(self._location.name, "the disk was too slow")
            self._rename()
        try:
            for parent in parents(self._key):
                sync(parent, self._root)
        except OSError:
            message = "the object exists, but may not be durable"
            raise BackendTimeout(self._location.name, message) from None
        self.finished = True
        self._close()

    def leave(self) -> None:
        """Leave the temporary file, as a process does that is killed."""
        self._close()

    def abort(self) -> None:
        if self._file < 0:
            return
        try:
            with self._location.translating(), suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=self._folder)
        finally:
            self._close()

    def _check_open(self) -> None:
        if self._file < 0:
            raise BackendUnavailable(self._location.name, "the upload has ended")

    def _check_room(self, size: int) -> None:
        if self._location.free(self._root) - size < self._location.reserve:
            raise BackendFull(self._location.name, "the rest of the disk is reserved for deletion")

    def _rename(self) -> None:
        path, name = split(self._key)
        while os.fstat(self._file).st_nlink:
            # A purge of another key may remove an empty parent meanwhile.
            with suppress(FileNotFoundError), folder(path, self._root, make=True) as parent:
                os.rename(self._temporary, name, src_dir_fd=self._folder, dst_dir_fd=parent)
                return
        raise BackendUnavailable(
            self._location.name, "the object was purged before it was complete"
        )

    def _close(self) -> None:
        self._opened.close()
        self._root = self._folder = self._file = -1  # the descriptors may be reused for other files
