"""The files of an exported log. Whoever made them may have made them to do harm."""

import os
import stat
from pathlib import Path

from storage.errors import InvalidRequest, LogInvalid

_LARGEST = 32 * 1024 * 1024  # bytes of a file; 256 entries of 64 KiB need half of it


class LogFolder:
    """A folder with the files of a log at their paths. It remembers which were read."""

    def __init__(self, root: Path) -> None:
        """``root`` has the file ``checkpoint`` and the folder ``tile``."""
        self._root = root
        self._read: set[str] = set()

    def read(self, path: str) -> bytes:
        """Return a file of the log. Raises FileNotFoundError, LogInvalid, InvalidRequest."""
        try:
            # a pipe would otherwise be waited for
            handle = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(path) from error
        except OSError as error:
            raise _unreadable(f"{path} of the log", error) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise LogInvalid(f"{path} is not a file.")
        with os.fdopen(handle, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise LogInvalid(f"{path} is larger than any file of a log.")
        self._read.add(path)
        return data

    def paths(self) -> set[str]:
        """Return the path of every file below the root. Raises InvalidRequest."""
        found = set()
        for folder, _, names in os.walk(self._root, onerror=_fail):
            found |= {(Path(folder) / name).relative_to(self._root).as_posix() for name in names}
        return found

    def unread(self) -> set[str]:
        """Return the paths of the files that were not read."""
        return self.paths() - self._read


def _fail(error: OSError) -> None:
    raise _unreadable("A folder of the log", error) from error


def _unreadable(what: str, error: OSError) -> InvalidRequest:
    return InvalidRequest(
        f"{what} cannot be read: {error.strerror}.",
        advice="Check its rights and its links, or get the export again: domicile log export",
    )
