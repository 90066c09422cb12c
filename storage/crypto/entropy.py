"""Random bytes, asked for in blocks: each system call gives up the interpreter's lock."""

import os
import threading
from typing import Final

from storage.model import Entropy

_BLOCK: Final = 2048  # bytes


class _Own(threading.local):
    """The block of a thread, and where its unused bytes begin."""

    block = b""
    at = _BLOCK
    process = 0


class Pool:
    """Gives the bytes of a source, each of them once. Safe for many threads.

    A thread has a block of its own, and a process that was forked takes a new one: no two records
    ever get the same key.
    """

    def __init__(self, source: Entropy) -> None:
        """Ask the source for nothing yet."""
        self._source = source
        self._own = _Own()

    def __call__(self, size: int) -> bytes:
        """Return that many bytes, at most 2,048. Raises ValueError if the source gives too few."""
        own = self._own
        begin = own.at
        if begin + size > _BLOCK or own.process != os.getpid():
            own.block, own.process, begin = self._source(_BLOCK), os.getpid(), 0
            if len(own.block) != _BLOCK:
                raise ValueError("the random source returned too few bytes")
        own.at = begin + size
        return own.block[begin : begin + size]
