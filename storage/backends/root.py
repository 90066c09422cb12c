"""The root of a directory backend: created once, and recognized by its marker file."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from storage.backends import marker
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendReplaced,
    BackendUnavailable,
)
from storage.model import Entropy

TEMPORARY = ".tmp"
_NOT_KEYS = frozenset({marker.NAME, TEMPORARY, "lost+found"})
_NEW_MARKER = f"{marker.NAME}."  # and a random part: a marker that is being written

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_BELOW = _DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_ERRORS: dict[int | None, type[BackendError]] = {
    errno.ENOSPC: BackendFull,
    errno.EDQUOT: BackendFull,
    errno.EACCES: BackendForbidden,
    errno.EPERM: BackendForbidden,
    errno.EROFS: BackendForbidden,
}


def is_ours(entry: str) -> bool:
    """Return whether an entry of the root, which ends in "/" if a directory, is not a key's."""
    return entry.rstrip("/") in _NOT_KEYS or entry.startswith(_NEW_MARKER)


def create_root(name: str, root: Path, entropy: Entropy) -> None:
    """Create the root of the backend ``name``, unless it exists. Only ``domicile init`` does so.

    Raises BackendMisplaced if the directory belongs to another backend, or has foreign files.
    """
    with translating(name, root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(name, root) as handle:
            found = set(names_in(handle))
            if marker.NAME in found:
                read_marker(name, handle)
            elif all(is_ours(entry) for entry in found):
                mark(name, handle, None, entropy)
            else:
                raise BackendMisplaced(name, "its directory has files of another program")
            with suppress(FileExistsError):
                os.mkdir(TEMPORARY, 0o700, dir_fd=handle)
            os.fsync(handle)
        with _opened(name, root.parent) as parent:
            os.fsync(parent)


@contextmanager
def opened_root(name: str, root: Path, expected: UUID | None = None) -> Iterator[int]:
    """Open a descriptor of the root for the context.

    Calls relative to it stay on the disk whose marker was read, even if a disk is mounted or
    unmounted meanwhile. Raises BackendUnavailable if the root or its marker is absent,
    BackendMisplaced if the marker names another backend, BackendReplaced if it has another identity
    than ``expected`` (None: any).
    """
    with _opened(name, root) as handle:
        found = read_marker(name, handle)
        if expected not in (None, found):
            raise BackendReplaced(name)
        yield handle


def read_marker(name: str, handle: int) -> UUID | None:
    """Return the identity in the marker. Raises as ``opened_root`` does."""
    try:
        file = os.open(marker.NAME, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=handle)
    except FileNotFoundError:
        raise BackendUnavailable(
            name,
            f"its directory has no {marker.NAME} file.",
            advice="Is the disk mounted? `domicile init` creates the file in a new directory.",
        ) from None
    with os.fdopen(file, "rb") as opened:
        return marker.read(name, opened.read(marker.LONGEST))


def mark(name: str, handle: int, identity: UUID | None, entropy: Entropy) -> None:
    """Write the marker, durably, in the place of the one that may be there."""
    new = _NEW_MARKER + entropy(8).hex()
    file = os.open(new, _NEW, 0o600, dir_fd=handle)
    with os.fdopen(file, "wb") as opened:
        opened.write(marker.text(name, identity))
        opened.flush()
        os.fsync(file)
    os.rename(new, marker.NAME, src_dir_fd=handle, dst_dir_fd=handle)
    os.fsync(handle)


@contextmanager
def translating(name: str, root: Path) -> Iterator[None]:
    """Translate errors of the operating system. Ours omit the path, which contains the key."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BackendUnavailable(
                name,
                "a symbolic link is where it has files; it follows none.",
                advice=f"Find it: find {root} -type l. Move what it points to there, or mount it.",
            ) from None
        code = errno.errorcode.get(error.errno or 0, "an error without a number")
        kind = _ERRORS.get(error.errno, BackendUnavailable)
        needed = f"The user who runs Domicile needs write permission on {root}."
        advice = needed if kind is BackendForbidden else ""
        says = f"the disk reports {code} ({os.strerror(error.errno or 0)})"
        raise kind(name, says, advice=advice) from None


def parents(key: str) -> Iterator[str]:
    """Yield the directories of a key, the nearest first; the last is the root (empty)."""
    while key:
        key = key.rpartition("/")[0]
        yield key


@contextmanager
def folder(path: str, root: int, *, make: bool = False) -> Iterator[int]:
    """Open a descriptor of a directory below the root for the context. "" is the root.

    With ``make``, create what is absent. Raises OSError: ELOOP if a part of the path is a symbolic
    link. Call this for every path: a path of several parts would follow links in the middle.
    """
    handle = os.open(".", _DIRECTORY, dir_fd=root)
    try:
        for name in path.split("/") if path else []:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=handle)
            below = _open_below(name, handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _open_below(name: str, parent: int) -> int:
    try:
        return os.open(name, _BELOW, dir_fd=parent)
    except NotADirectoryError:  # what Linux says of a symbolic link too
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise


def sync(path: str, root: int) -> None:
    """Make the entries of a directory below the root durable."""
    with folder(path, root) as handle:
        os.fsync(handle)


def names_in(handle: int) -> list[str]:
    """Return the names in an open directory, sorted. Names of directories end in "/"."""
    with os.scandir(handle) as found:
        return sorted(e.name + "/" * e.is_dir(follow_symlinks=False) for e in found)


def free_bytes(root: int) -> int:
    """Return how many bytes an ordinary user may still write on the disk of that directory."""
    found = os.fstatvfs(root)
    return found.f_bavail * found.f_frsize


@contextmanager
def _opened(name: str, path: Path) -> Iterator[int]:
    try:
        handle = os.open(path, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise BackendUnavailable(
            name,
            "its directory does not exist.",
            advice="Is the disk mounted? See `domicile init`.",
        ) from None
    try:
        yield handle
    finally:
        os.close(handle)
