"""The connector to a processor with an HTTP interface: three signed requests, never repeated.

``PUT <url>/<copy>`` delivers, ``DELETE <url>/<copy>`` requests the deletion, and ``GET
<url>/<copy>/acknowledgement`` returns the signed acknowledgement, or 202 while there is none. Other
responses are failures. Redirects are not followed: content goes only where the topology says.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Timer
from typing import Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from regions.endpoints import safe_url
from storage.errors import (
    AcknowledgementInvalid,
    ConfigurationError,
    ProcessorForbidden,
    ProcessorMisplaced,
    ProcessorTimeout,
    ProcessorUnavailable,
)
from storage.model import Entropy
from storage.ports import Acknowledgement, Clock
from storage.processors.acknowledgement import verify
from storage.processors.signing import signed_headers

_TIMEOUT: Final = 10.0  # seconds for a request without content
_LARGEST: Final = 16 * 1024  # bytes of a response that are read
_DONE: Final = frozenset({200, 201, 202, 204})
_RETRY_LATER: Final = frozenset({408, 425, 429})  # a valid request at the wrong time


@dataclass(frozen=True, slots=True)
class Response:
    """Status and body of a response."""

    status: int
    body: bytes


class HttpConnector:
    """The connector to one processor. Safe to use from many threads: requests share no state."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        key: Ed25519PrivateKey,
        kid: str,
        acknowledgement_key: Ed25519PublicKey,
        longest_request: timedelta,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """``key`` signs requests. Raises ConfigurationError if the URL is not safe."""
        if not safe_url(url):
            raise ConfigurationError(f"The url of {name} must be https.")
        self._name, self._url = name, urlsplit(url)
        self._key, self._kid = key, kid
        self._acknowledgement_key = acknowledgement_key
        self._longest_request = longest_request
        self._clock, self._entropy = clock, entropy

    @property
    def name(self) -> str:
        return self._name

    @property
    def longest_request(self) -> timedelta:
        return self._longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        self._check(self._request("PUT", f"/{copy}", content, timeout))

    def request_deletion(self, copy: UUID) -> None:
        self._check(self._request("DELETE", f"/{copy}"))

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        response = self._request("GET", f"/{copy}/acknowledgement")
        self._check(response)
        if response.status != 200:
            return None
        if len(response.body) > _LARGEST:
            raise AcknowledgementInvalid(self._name, "Its acknowledgement is too large.")
        return verify(response.body, self._acknowledgement_key, processor=self._name, copy=copy)

    def _check(self, response: Response) -> None:
        """Raise the error that a status means."""
        if response.status in _DONE:
            return
        what = f"It answered {response.status}."
        if 300 <= response.status < 400:
            raise ProcessorMisplaced(self._name, f"{what} Redirects are not followed.")
        if 400 <= response.status < 500 and response.status not in _RETRY_LATER:
            raise ProcessorForbidden(self._name, what)
        raise ProcessorUnavailable(self._name, what)

    def _request(
        self, method: str, below: str, body: bytes = b"", timeout: float = _TIMEOUT
    ) -> Response:
        path = self._url.path.rstrip("/") + below
        headers = signed_headers(
            self._key,
            self._kid,
            method=method,
            authority=_authority(self._url),
            path=path,
            body=body,
            now=self._clock.now(),
            nonce=self._entropy(16),
        )
        with self._connected(timeout) as connection:
            connection.request(
                method,
                path,
                body,
                headers
                | {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))},
            )
            answer = connection.getresponse()
            return Response(answer.status, answer.read(_LARGEST + 1))

    @contextmanager
    def _connected(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        """Open a connection for one request, and shut it down after ``timeout`` seconds.

        The timeout of the socket limits single reads only: a server that sends a byte now and then
        could delay the end forever.
        """
        connection, cutoff = _open(self._url, timeout), _Cutoff()
        timer = Timer(timeout, cutoff.shut_down)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            cutoff.attach(connection.sock)
            yield connection
        except (OSError, http.client.HTTPException, ValueError) as error:
            # the text of the library error may contain what the server sent: do not show it
            if cutoff.late or isinstance(error, TimeoutError):
                raise ProcessorTimeout(self._name) from error
            raise ProcessorUnavailable(self._name) from error
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


def _authority(url: SplitResult) -> str:
    """Return host and port as signed: lower case, without the default port of the scheme."""
    port = {"https": 443, "http": 80}[url.scheme]
    host = (url.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    return shown if url.port in (None, port) else f"{shown}:{url.port}"
