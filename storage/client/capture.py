"""A body that is still being produced, kept until its end is known."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Self

from storage.errors import BodyTooLarge, DomicileError, InvalidRequest
from storage.model import NewRecord, PutResult, RecordId

Submit = Callable[[NewRecord], Future[PutResult]]


class Capture:
    """Takes a streamed body chunk by chunk, and stores it when the block is left. For one thread.

    Nothing is stored before that. After the block ``result`` says what became of it. If the block
    is left by an error, what was produced is stored, marked incomplete, and the error goes on; if
    storing fails too, the error carries a note of that, and ``failure`` is what failed.
    """

    def __init__(self, record: NewRecord, record_id: RecordId, submit: Submit, most: int) -> None:
        """Made by ``Tenant.capture``. ``most``: bytes that a body may have."""
        self._record = replace(record, id=record_id)
        self._submit = submit
        self._most = most
        self._body = bytearray()
        self._ended = False
        self.id = record_id
        self.result: PutResult | None = None
        self.failure: DomicileError | None = None

    def write(self, chunk: bytes) -> None:
        """Take the next chunk. Raises BodyTooLarge over 16 MiB: what came before is stored."""
        if self._ended:
            raise InvalidRequest("The capture has ended.")
        if not isinstance(chunk, bytes):
            raise InvalidRequest("A chunk is bytes.", advice="Encode text first.")
        if len(self._body) + len(chunk) > self._most:
            raise BodyTooLarge
        self._body += chunk

    def end(self, *, incomplete: bool) -> Future[PutResult]:
        """Begin to store what was produced, and take no more."""
        self._ended = True
        return self._submit(replace(self._record, body=bytes(self._body), incomplete=incomplete))

    def fail(self, failure: DomicileError, error: BaseException | None) -> None:
        """It could not be stored. Raises that, unless the block's own error goes on."""
        self.failure = failure
        if error is None:
            raise failure
        error.add_note(f"What was captured as {self.id}: {failure.code}: {failure}")

    def __enter__(self) -> Self:
        """Where to write."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store it, marked incomplete if the block failed."""
        try:
            self.result = self.end(incomplete=error is not None).result()
        except DomicileError as failure:
            self.fail(failure, error)
