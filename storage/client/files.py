"""A body that a caller produces or reads piece by piece."""

import errno
import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from storage.client.validate import check_range
from storage.errors import BodyTooLarge, DomicileError, InvalidRequest
from storage.model import NewRecord, PutResult, Record, RecordId, RecordInfo
from storage.packs.reader import Reader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 4 * 1024 * 1024
_LINE = 64 * 1024  # bytes in which the end of a line is looked for

Submit = Callable[[NewRecord], Future[PutResult]]


class Capture:
    """Collects a streamed body chunk by chunk, and stores it when the block ends. Not thread-safe.

    Nothing is stored before the end of the block. Afterwards ``result`` is what ``put`` would have
    returned. If the block raises, what was collected is stored, marked incomplete, and the
    exception propagates. If storing fails too, the exception carries a note about that, and
    ``failure`` is the error.
    """

    def __init__(self, record: NewRecord, record_id: RecordId, submit: Submit, most: int) -> None:
        """Use ``Tenant.capture`` instead. ``most`` is the size limit of the body, in bytes."""
        self._record = replace(record, id=record_id)
        self._submit = submit
        self._most = most
        self._body = bytearray()
        self._ended = False
        self.id = record_id
        self.result: PutResult | None = None
        self.failure: DomicileError | None = None

    def write(self, chunk: bytes) -> None:
        """Append a chunk.

        Raises BodyTooLarge if the body would exceed 16 MiB: the chunks before are still stored.
        """
        if self._ended:
            raise InvalidRequest("The capture has ended.")
        if not isinstance(chunk, bytes):
            raise InvalidRequest("A chunk must be bytes.", advice="Encode text first.")
        if len(self._body) + len(chunk) > self._most:
            raise BodyTooLarge
        self._body += chunk

    def end(self, *, incomplete: bool) -> Future[PutResult]:
        """Start to store what was collected, and refuse further chunks."""
        self._ended = True
        return self._submit(replace(self._record, body=bytes(self._body), incomplete=incomplete))

    def fail(self, failure: DomicileError, error: BaseException | None) -> None:
        """Record that storing failed. Raises ``failure`` unless the block raised ``error``."""
        self.failure = failure
        if error is None:
            raise failure
        error.add_note(f"Storing the capture {self.id} failed: {failure.code}: {failure}")

    def __enter__(self) -> Self:
        """Return the capture."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store the body, marked incomplete if the block raised."""
        try:
            self.result = self.end(incomplete=error is not None).result()
        except DomicileError as failure:
            self.fail(failure, error)


class OpenFile(io.RawIOBase):
    """A record opened for reading: in ranges, or as a binary file without a buffer.

    Every read checks again that it is allowed, and asks a backend. To read a few bytes at a time,
    wrap it: ``io.BufferedReader(file, 1 << 20)``. Reads raise NotFound, Erased, Expired,
    PurposeRefused, Unavailable, KeyUnavailable or Corrupt. ``read_range`` and ``chunks`` are
    thread-safe, and ignore the position.
    """

    def __init__(self, reader: Reader, tenant: str, found: Record) -> None:
        """Use ``BoundTenant.open`` instead."""
        self._reader, self._tenant = reader, tenant
        self._position = 0
        self.info: RecordInfo = found.info
        self.metadata: Mapping[str, object] = found.metadata

    @property
    def size(self) -> int:
        """The size of the body, in bytes."""
        return self.info.size

    def read_range(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop`` (exclusive), or up to the end."""
        check_range(start, stop)
        return self._reader.read_range(self._tenant, self.info.id, start, stop)

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield the body in chunks of ``size`` bytes. Each is fetched when it is asked for."""
        for start, stop in self.ranges(size):
            yield self.read_range(start, stop)

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Return the start and stop of each chunk of ``chunks``."""
        check_range(1, size)
        return ((start, start + size) for start in range(0, self.size, size))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position. Raises ValueError if it is closed."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, also past the end, and return it.

        Raises OSError before the beginning, as a file does, and ValueError if it is closed.
        """
        self._check_open()
        if whence not in {io.SEEK_SET, io.SEEK_CUR, io.SEEK_END}:
            raise ValueError("whence is none of SEEK_SET, SEEK_CUR and SEEK_END.")
        position = (0, self._position, self.size)[whence] + offset
        if position < 0:
            raise OSError(errno.EINVAL, "The position would be before the beginning.")
        self._position = position
        return position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer from the position on, and return the number of bytes: 0 at the end."""
        self._check_open()
        with memoryview(buffer).cast("B") as view:
            body = self._read(len(view))
            view[: len(body)] = body
        return len(body)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return as many bytes, or the rest. After an error the position is where it was."""
        self._check_open()
        return self.readall() if size is None or size < 0 else self._read(size)

    def readall(self) -> bytes:
        """Return the rest. After an error the position is where it was."""
        self._check_open()
        with self._unmoved():
            return b"".join(iter(lambda: self._read(CHUNK), b""))

    def readline(self, limit: int | None = -1, /) -> bytes:
        """Return a line. Each asks a backend at least once: wrap the file to read many."""
        self._check_open()
        with self._unmoved():
            return self._line(self.size if limit is None or limit < 0 else limit)

    def _line(self, most: int) -> bytes:
        line = b""
        while len(line) < most and (body := self._read(min(_LINE, most - len(line)))):
            part = body[: body.find(b"\n") + 1] or body
            self._position -= len(body) - len(part)
            line += part
            if part.endswith(b"\n"):
                break
        return line

    def _read(self, count: int) -> bytes:
        start = self._position
        if start >= self.size or not count:
            return b""
        body = self.read_range(start, start + count)
        self._position = start + len(body)
        return body

    @contextmanager
    def _unmoved(self) -> Iterator[None]:
        """Restore the position if the block fails, so that a retry skips nothing."""
        position = self._position
        try:
            yield
        except BaseException:
            self._position = position
            raise

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("The record was closed.")
