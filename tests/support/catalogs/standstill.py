"""A PostgreSQL server that stands still: it answers nothing, and keeps its connections."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.testing import Server


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    """Stop all processes of the server; continue them at the end."""
    stopped = stand_still(server)
    try:
        yield
    finally:
        go_on(stopped)


def stand_still(server: Server) -> list[int]:
    """Stop all processes of the server; return their ids."""
    main = int((server.directory / "pg" / "postmaster.pid").read_text().split()[0])
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
