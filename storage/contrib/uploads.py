"""A file that is written piece by piece, over a call that reads pieces."""

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from types import TracebackType
from typing import TYPE_CHECKING

from storage import PutResult

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PIECE = 1024 * 1024  # bytes
_AHEAD = 4  # pieces

Put = Callable[[Iterable[bytes]], PutResult]


class _DiscardedError(Exception):
    """The file was given up, so its stream ends with an error."""


class _Pieces(io.RawIOBase):
    """Hands pieces to a thread that stores them. At most 5 MiB wait for it."""

    def __init__(self, put: Put) -> None:
        self._waiting: Queue[bytes | None] = Queue(_AHEAD)
        self._discarded = self._over = self._told = False
        self._thread = ThreadPoolExecutor(1, "domicile-upload")
        self._stored = self._thread.submit(self._run, put)
        self._thread.shutdown(wait=False)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Hand a piece over. Raises the error of the call that stores, if that has ended."""
        if self.closed:
            raise ValueError("The file is closed.")
        if self._over:
            self._told = True
            self._stored.result()
        piece = bytes(memoryview(data).cast("B")[:PIECE])
        self._waiting.put(piece)
        return len(piece)

    def close(self) -> None:
        """Wait until all is stored. Raises the error of the call that stores."""
        if self.closed:
            return
        super().close()
        self._waiting.put(None)
        if not self._told:
            self._stored.result()

    def discard(self) -> None:
        """Close it, so that nothing is stored. Raises nothing."""
        if self.closed:
            return
        super().close()
        self._discarded = True
        self._waiting.put(None)
        self._stored.exception()

    def _run(self, put: Put) -> PutResult:
        try:
            return put(self._arriving())
        finally:
            self._make_room()

    def _arriving(self) -> Iterator[bytes]:
        while (piece := self._waiting.get()) is not None:
            yield piece
        if self._discarded:
            raise _DiscardedError

    def _make_room(self) -> None:
        """Let a writer that waits go on: it finds the result at its next piece."""
        self._over = True
        try:
            while True:
                self._waiting.get_nowait()
        except Empty:
            pass


class Upload(io.BufferedWriter):
    """A new file, in binary mode. It is stored when it is closed, in bounded memory.

    If a ``with`` block on it raises, nothing is stored. ``write`` and ``close`` raise the error of
    the call that stores.
    """

    def __init__(self, put: Put) -> None:
        """``put`` is called in a thread. What it raises, ``write`` or ``close`` raises."""
        self._pieces = _Pieces(put)
        super().__init__(self._pieces, PIECE)

    def discard(self) -> None:
        """Close it, and store nothing."""
        self._pieces.discard()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store the file, or nothing if the block raised."""
        if error is not None:
            self.discard()
        self.close()
