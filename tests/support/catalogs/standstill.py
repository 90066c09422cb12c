"""A PostgreSQL server that stands still: it answers nothing, and keeps its connections."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def standing_still(data: Path) -> Iterator[None]:
    """Stop all processes of the server of a data directory; continue them at the end."""
    stopped = stand_still(data)
    try:
        yield
    finally:
        go_on(stopped)


def stand_still(data: Path) -> list[int]:
    """Stop all processes of the server of a data directory; return their ids."""
    main = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(main, signal.SIGSTOP)  # first, so that it starts no other
    stopped = [main, *_children(main)]
    for pid in stopped[1:]:
        os.kill(pid, signal.SIGSTOP)
    return stopped


def go_on(stopped: list[int]) -> None:
    """Continue stopped processes."""
    for pid in reversed(stopped):
        os.kill(pid, signal.SIGCONT)


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = entry.read_text().split(" ", 1)
        except OSError:  # it has ended
            continue
        if int(rest.rpartition(")")[2].split()[1]) == parent:
            found.append(int(pid))
    return found
