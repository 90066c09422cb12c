"""A body that a caller produces or reads piece by piece."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Self

from storage.client.validate import check_range
from storage.errors import BodyTooLarge, DomicileError, InvalidRequest
from storage.model import NewRecord, PutResult, Record, RecordId, RecordInfo
from storage.packs.reader import Reader

CHUNK = 4 * 1024 * 1024

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


class OpenFile:
    """A record opened for reading in ranges.

    Every read checks again that it is allowed. Reads raise NotFound, Erased, Expired,
    PurposeRefused, Unavailable, KeyUnavailable or Corrupt.
    """

    def __init__(self, reader: Reader, tenant: str, found: Record) -> None:
        """Use ``BoundTenant.open`` instead."""
        self._reader, self._tenant = reader, tenant
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

    def __enter__(self) -> Self:
        """Return the open record."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: an open record holds no resource."""
