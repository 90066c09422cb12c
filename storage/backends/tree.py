"""The files below the root of a directory backend: the path of an object is its key."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader

from storage.backends.root import TEMPORARY, folder, is_ours, names_in, parents, sync
from storage.ports import ItemKind, StoredItem

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def split(key: str) -> tuple[str, str]:
    """Return the directory of a key ("" is the root), and its name there."""
    path, _, name = key.rpartition("/")
    return path, name


def opened_file(key: str, root: int) -> BufferedReader:
    """Open the file of a key below the root. Raises OSError."""
    path, name = split(key)
    with folder(path, root) as parent:
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent), "rb")


def remove_empty_parents(key: str, root: int) -> None:
    """Remove empty parent directories, and make the removal of the key durable."""
    for parent in parents(key):
        with suppress(FileNotFoundError, NotADirectoryError):
            if parent and _removed(parent, root):
                continue
            sync(parent, root)
            return


def _removed(key: str, root: int) -> bool:
    path, name = split(key)
    with folder(path, root) as parent:
        try:
            os.rmdir(name, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError:  # not empty, or not permitted: an empty directory holds no byte
            return False
    return True


def temporary_files(root: int) -> list[tuple[str, str]]:
    """Return the temporary files: the key that each is for, and its name."""
    return sorted((n.rpartition("~")[0].replace("+", "/"), n) for n in _names(TEMPORARY, root))


def temporary_items(root: int) -> Iterator[StoredItem]:
    """Yield the temporary files as items of the keys that they are for."""
    for key, name in temporary_files(root):
        yield from items_at(key, ItemKind.TEMPORARY, f"{TEMPORARY}/{name}", root)


def walk(path: str, prefix: str, after: str, root: int) -> Iterator[StoredItem]:
    """Yield the objects below a directory whose keys have the prefix, in order.

    ``path`` is empty or ends in "/". Directories without a key after ``after`` are not opened.
    """
    for name in _names(path.rstrip("/"), root):
        found = path + name
        if not path and is_ours(name):
            continue
        if found <= after and not after.startswith(found):
            continue
        if name.endswith("/"):
            if found.startswith(prefix) or prefix.startswith(found):
                yield from walk(found, prefix, after, root)
        elif found.startswith(prefix) and found > after:
            yield from items_at(found, ItemKind.OBJECT, found, root)


def _names(path: str, root: int) -> list[str]:
    """Return the names in a directory. Those of directories end in "/", to sort like keys."""
    try:
        with folder(path, root) as handle:
            return names_in(handle)
    except ABSENT:
        return []


def items_at(key: str, kind: ItemKind, path: str, root: int) -> list[StoredItem]:
    """Return the file at that path as an item of the key, if it exists."""
    above, name = split(path)
    try:
        with folder(above, root) as parent:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except ABSENT:
        return []
    return [] if stat.S_ISDIR(found.st_mode) else [StoredItem(key, kind, found.st_size)]
