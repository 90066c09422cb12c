"""uvicorn's HTTP protocol, with an end for clients that are too slow."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from storage.service.answers import ApiError, answer
from storage.service.edge import REQUEST_ID, new_request_id

_LEAST: Final = 16 * 1024  # bytes that a client sends or takes, or it is too slow


def guarded(seconds: float, entropy: Callable[[int], bytes]) -> type[H11Protocol]:
    """Return the protocol.

    A client that neither sends nor takes 16 KiB in half of ``seconds``, twice in a row, is cut off,
    whether it is sending its headers or its body, or takes an answer.
    """
    return type("Guarded", (_Guarded,), {"seconds": seconds, "entropy": staticmethod(entropy)})


class _Guarded(H11Protocol):
    seconds: ClassVar[float]
    entropy: ClassVar[Callable[[int], bytes]]
    _moved = 0  # bytes since the last look
    _slow = False  # as of the last look

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_again()

    def data_received(self, data: bytes) -> None:
        self._moved += len(data)
        super().data_received(data)

    def resume_writing(self) -> None:
        self._moved += _LEAST  # it has taken what was written
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer in the shape of the API what is no HTTP."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        made = answer(ApiError(400, "invalid_http", "That is not a valid HTTP request."))
        headers = [
            *made.raw_headers,
            (REQUEST_ID.encode(), new_request_id(type(self).entropy).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(made.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look_again(self) -> None:
        self.loop.call_later(self.seconds / 2, self._look)

    def _look(self) -> None:
        if self not in self.connections:
            return
        slow = self._waits() and self._moved < _LEAST
        if slow and self._slow:
            self.transport.abort()
            return
        self._slow, self._moved = slow, 0
        self._look_again()

    def _waits(self) -> bool:
        """Return whether it is the client's turn."""
        if self.flow.write_paused or self.transport.is_closing():
            return True
        begun = self.cycle is not None
        if not begun or self.cycle.response_complete:
            return self.timeout_keep_alive_task is None  # else it is idle, and ends soon
        return self.cycle.more_body and not self.flow.read_paused
