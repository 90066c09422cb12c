"""A processor in memory, with faults."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from storage.errors import ProcessorError, ProcessorTimeout, ProcessorUnavailable
from storage.ports import Acknowledgement, Clock
from storage.testing.faults import Gate


class FakeProcessor:
    """Receives copies, deletes them on request, and confirms. ``copies`` has what it stores.

    ``gates``: a call of that name waits. ``down``: every call fails without effect. ``pending``: a
    deletion is requested, but not carried out yet. ``land_late``: a delivery times out, and takes
    effect when the test calls ``land``. ``fail_after``: a call of that name takes effect, and then
    fails with that error.
    """

    def __init__(self, name: str, longest_request: timedelta, clock: Clock) -> None:
        self._name, self._longest_request, self._clock = name, longest_request, clock
        self.copies: dict[UUID, bytes] = {}
        self.deletion_requests: set[UUID] = set()
        self.calls: list[tuple[str, UUID]] = []
        self.gates: dict[str, Gate] = {}
        self.down = self.pending = self.land_late = False
        self.fail_after: dict[str, ProcessorError] = {}
        self._late: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def longest_request(self) -> timedelta:
        return self._longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        self._begin("deliver", copy)
        if self.land_late:
            self.postpone(copy, content)
            raise ProcessorTimeout(self._name)
        self.copies[copy] = content
        self._end("deliver")

    def request_deletion(self, copy: UUID) -> None:
        self._begin("request_deletion", copy)
        self.deletion_requests.add(copy)
        if not self.pending:
            self.copies.pop(copy, None)
        self._end("request_deletion")

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        self._begin("confirm", copy)
        confirmed = None
        if copy in self.deletion_requests and copy not in self.copies and not self.pending:
            confirmed = Acknowledgement(self._clock.now(), hashlib.sha256(copy.bytes).digest())
        self._end("confirm")
        return confirmed

    def postpone(self, copy: UUID, content: bytes) -> None:
        """Let a delivery take effect when ``land`` is called."""
        self._late.append(lambda: self.copies.update({copy: content}))

    @property
    def late(self) -> int:
        """How many deliveries are pending."""
        return len(self._late)

    def land(self) -> None:
        """Let the pending deliveries take effect now, whatever was requested since."""
        late, self._late = self._late, []
        for happen in late:
            happen()

    def _begin(self, method: str, copy: UUID) -> None:
        self.calls.append((method, copy))
        if gate := self.gates.get(method):
            gate.wait()
        if self.down:
            raise ProcessorUnavailable(self._name)

    def _end(self, method: str) -> None:
        if error := self.fail_after.get(method):
            raise error
