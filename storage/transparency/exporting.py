"""A copy of a region's log in a directory, as c2sp.org/tlog-tiles has it."""

import os
from collections.abc import Iterable
from pathlib import Path

from storage.tlog.verification import CHECKPOINT


def write_files(directory: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write the files that are not there as they are, each at once or not at all; return how many.

    The checkpoint is always written, and last: what it promises is there. Raises OSError.
    """
    written = 0
    for path, data in files:
        target = directory / path
        if path != CHECKPOINT and target.is_file() and target.read_bytes() == data:
            continue  # a tile never changes, but its copy may be damaged
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        written += 1
    return written
