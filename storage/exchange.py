"""One HTTP request with an end: so many seconds, so many bytes, no redirect, no second attempt."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from urllib.parse import SplitResult


@dataclass(frozen=True, slots=True)
class Response:
    """The status of a response, and the start of its body."""

    status: int
    body: bytes


class Unanswered(Exception):
    """No response came that is one. ``late``: the time was over.

    The request may have taken effect. The text of the cause may contain what the server sent: do
    not show it.
    """

    def __init__(self, *, late: bool) -> None:
        """See the class."""
        super().__init__("the server did not respond" + (" in time" if late else ""))
        self.late = late


def exchange(
    method: str,
    url: SplitResult,
    path: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    most: int,
) -> Response:
    """Send one request to the host of ``url``, and return what it responds, whatever the status.

    ``timeout``: seconds for all of it. ``most``: bytes of the body that are read; one more byte
    tells that there are more. Raises Unanswered.
    """
    with _connected(url, timeout) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        content = answer.read(most + 1)
        if answer.length and len(content) <= most:  # the rest did not come
            raise http.client.IncompleteRead(content, answer.length)
        return Response(answer.status, content)


@contextmanager
def _connected(url: SplitResult, timeout: float) -> Iterator[http.client.HTTPConnection]:
    """Open a connection for one request, and shut it down after ``timeout`` seconds.

    The timeout of the socket limits single reads only: a server that sends a byte now and then
    could delay the end forever.
    """
    connection, cutoff = _open(url, timeout), _Cutoff()
    timer = Timer(timeout, cutoff.shut_down)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        cutoff.attach(connection.sock)
        yield connection
        if cutoff.late:  # what was read may be a part
            raise TimeoutError
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unanswered(late=cutoff.late or isinstance(error, TimeoutError)) from error
    finally:
        timer.cancel()
        connection.close()


class _Cutoff:
    """Shuts a connection down at a time that may come before it is open."""

    def __init__(self) -> None:
        self.late = False
        self._socket: socket.socket | None = None

    def shut_down(self) -> None:
        """Stop sending and receiving."""
        self.late = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def attach(self, opened: socket.socket) -> None:
        """Use the open socket. Raises TimeoutError if its time is over already."""
        self._socket = opened
        if self.late:
            raise TimeoutError


def _open(url: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, url.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=timeout)
