"""A small HTTP server for probes and metrics. It answers GET and HEAD, and reads no body.

A thread per request, of which there is a limit, and each has little time: who is slow, or one of
too many, is cut off, and delays no other.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, cast

from structlog.typing import FilteringBoundLogger

from storage.errors import InvalidRequest, SettingsError
from storage.watching import probes
from storage.watching.probes import Answer

Respond = Callable[[str], Answer]
"""Answers the path of a request."""

_TIME: Final = 5.0  # seconds for a request and its answer
_REQUESTS: Final = 16  # at once
LOOPBACK: Final = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; of ``PORT`` alone, loopback. Raise InvalidRequest."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise InvalidRequest(
            "The address has no valid port.",
            advice="Give HOST:PORT, or PORT for this machine alone.",
        )
    return host or LOOPBACK, int(port)


class ProbeServer:
    """Listens from the beginning of the block to its end."""

    def __init__(
        self, address: tuple[str, int], respond: Respond, log: FilteringBoundLogger
    ) -> None:
        """``respond`` is called in many threads. Raises SettingsError if it cannot listen there."""
        try:
            self._server = _Server(address, respond, log)
        except OSError as error:
            raise SettingsError(
                f"{address[0]}:{address[1]} cannot be listened on: {error.strerror or error}.",
                advice="Give another address, or end the process that has it.",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="probes", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Accept nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a slow client keeps no process from ending
    request_queue_size = _REQUESTS

    def __init__(
        self, address: tuple[str, int], respond: Respond, log: FilteringBoundLogger
    ) -> None:
        self.respond, self.log = respond, log
        self._room = threading.BoundedSemaphore(_REQUESTS)
        host, port = address
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer in a thread, or cut off one that is too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer, and give the place back. Who is slow is cut off: a timeout is of each read."""
        over = threading.Timer(_TIME, _cut, [request])
        over.daemon = True
        over.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Do nothing about a client that has left."""


def _cut(request: socket.socket) -> None:
    with suppress(OSError):  # it is over
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIME
    server_version, sys_version = "Domicile", ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        server = cast(_Server, self.server)
        try:
            answer = server.respond(self.path.partition("?")[0])
        except Exception:
            server.log.exception("probe_failed")
            answer = probes.failed()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            with suppress(OSError):  # the client has left
                self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a path may contain anything."""
