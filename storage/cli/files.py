"""Files that a command reads and writes. No message names them: file names may be personal."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from storage.cli.options import STDIN
from storage.cli.progress import Meter
from storage.errors import InvalidRequest


@contextmanager
def source(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open a file, or stdin for ``-``; yield it and its size, if known. Raise InvalidRequest."""
    if name == STDIN:
        yield sys.stdin.buffer, None
        return
    with _reading():
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    with file:
        known = os.fstat(file.fileno())
        yield file, known.st_size or None


def is_directory(name: str) -> bool:
    """Return whether it is a directory, rather than a file or ``-``. Raise InvalidRequest."""
    if name == STDIN:
        return False
    with _reading():
        return stat.S_ISDIR(os.stat(name).st_mode)  # noqa: PTH116 - Path.is_dir hides some errors


def content(name: str, *, most: int) -> bytes:
    """Return a file, or stdin for ``-``, up to ``most`` bytes and one more. Raise InvalidRequest.

    A result longer than ``most`` means that the file is too large.
    """
    with source(name) as (file, _), _reading():
        return file.read(most + 1)


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Return the file in pieces of 1 MiB."""
    return iter(partial(file.read, 1024 * 1024), b"")


def metered(pieces: Iterable[bytes], progress: Meter) -> Iterator[bytes]:
    """Yield the pieces; report the size of each."""
    for piece in pieces:
        progress(len(piece))
        yield piece


def check_new(path: Path, *, force: bool) -> None:
    """Raise InvalidRequest if a write would replace a file."""
    if not force and os.path.lexists(path):
        raise _exists()


def write_new(path: Path, pieces: Iterable[bytes], *, force: bool) -> int:
    """Write a file atomically, readable by its owner alone; return its size.

    Raise InvalidRequest if it cannot be written, or exists and ``force`` is not set.
    """
    with _writing():
        handle, name = tempfile.mkstemp(prefix=".domicile-", dir=path.parent)  # mode 0600
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                with _writing():
                    file.write(piece)
            with _writing():
                file.flush()
                os.fsync(file.fileno())
            total = file.tell()
        with _writing():
            if force:
                beside.replace(path)
            else:
                os.link(beside, path)  # unlike a rename, a link fails if the name is taken
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()
    return total


def make_directory(path: Path) -> None:
    """Make a directory for the owner alone, unless it exists, on the disk for good.

    Raise InvalidRequest.
    """
    with _writing():
        new = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in {each.parent for each in (path, *new)}:
            sync_directory(parent)


def sync_directory(path: Path) -> None:
    """Wait until the names of the files in a directory are on the disk. Raise InvalidRequest."""
    with _writing():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequest(
            f"The file cannot be read: {error.strerror}.", advice="Check its path and its rights."
        ) from None
    except ValueError:
        raise InvalidRequest(
            "The file cannot be read: no path has a null character.", advice="Check its path."
        ) from None


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _exists() from None
    except OSError as error:
        raise InvalidRequest(f"The file cannot be written: {error.strerror}.") from None


def _exists() -> InvalidRequest:
    return InvalidRequest("The file exists.", advice="Give --force to replace it.")
