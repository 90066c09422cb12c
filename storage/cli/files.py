"""Files that a command reads and writes. No message names them: a name may be personal."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from storage.errors import InvalidRequest

STDIN = "-"


@contextmanager
def source(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """A file to read, or stdin for ``-``, and its size if that is known. Raises InvalidRequest."""
    if name == STDIN:
        yield sys.stdin.buffer, None
        return
    with _reading():
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    with file:
        known = os.fstat(file.fileno())
        yield file, known.st_size or None


def content(name: str, *, most: int) -> bytes:
    """All of a file, or of stdin for ``-``; of what has more than ``most`` bytes, one more.

    Raises InvalidRequest.
    """
    with source(name) as (file, _), _reading():
        return file.read(most + 1)


def metered(file: BinaryIO, seen: Callable[[int], None]) -> Iterator[bytes]:
    """The file piece by piece; ``seen`` is told the size of each."""
    while piece := file.read(1024 * 1024):
        seen(len(piece))
        yield piece


def check_new(path: Path, *, force: bool) -> None:
    """Raises InvalidRequest if writing there would replace something."""
    if not force and os.path.lexists(path):
        raise _in_the_way()


def write_new(path: Path, pieces: Iterable[bytes], *, force: bool) -> int:
    """Write a file that is whole or not there, readable for its owner alone. Gives its size.

    Raises InvalidRequest if it cannot be written, or is there already, unless ``force``.
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


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequest(f"The file cannot be read: {error.strerror}.") from None


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _in_the_way() from None
    except OSError as error:
        raise InvalidRequest(f"The file cannot be written: {error.strerror}.") from None


def _in_the_way() -> InvalidRequest:
    return InvalidRequest("The file is there already.", advice="Give --force to replace it.")
