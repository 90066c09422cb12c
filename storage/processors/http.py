"""A processor with an HTTP interface: three requests, each signed, none repeated by itself.

``PUT <url>/<copy>`` hands over, ``DELETE <url>/<copy>`` asks for deletion, and ``GET
<url>/<copy>/acknowledgement`` gives the signed acknowledgement, or 202 while there is none. Other
answers are failures; a redirect is never followed: what is sent goes where the topology says.
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

from regions.connectors import safe_url
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

_PATIENCE: Final = 10.0  # seconds for a request that carries no content
_LARGEST: Final = 16 * 1024  # bytes of an answer that are read
_DONE: Final = frozenset({200, 201, 202, 204})
_LATER: Final = frozenset({408, 425, 429})  # the request is good, the moment is not


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of a response."""

    status: int
    body: bytes


class HttpConnector:
    """The connector of one processor. Safe to use from many threads: each request is on its own."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        key: Ed25519PrivateKey,
        kid: str,
        acknowledged_with: Ed25519PublicKey,
        longest_request: timedelta,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """``key`` signs requests. Raises ConfigurationError if the URL is not safe."""
        if not safe_url(url):
            raise ConfigurationError(f"The url of {name} must be https.")
        self._name, self._url = name, urlsplit(url)
        self._key, self._kid = key, kid
        self._acknowledged_with = acknowledged_with
        self._longest_request = longest_request
        self._clock, self._entropy = clock, entropy

    @property
    def name(self) -> str:
        return self._name

    @property
    def longest_request(self) -> timedelta:
        return self._longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        self._check(self._ask("PUT", f"/{copy}", content, timeout))

    def request_deletion(self, copy: UUID) -> None:
        self._check(self._ask("DELETE", f"/{copy}"))

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        answer = self._ask("GET", f"/{copy}/acknowledgement")
        self._check(answer)
        if answer.status != 200:
            return None
        if len(answer.body) > _LARGEST:
            raise AcknowledgementInvalid(self._name, "Its acknowledgement is too large.")
        return verify(answer.body, self._acknowledged_with, processor=self._name, copy=copy)

    def _check(self, answer: Answer) -> None:
        """Raises the error that a status stands for."""
        if answer.status in _DONE:
            return
        told = f"It answers {answer.status}."
        if 300 <= answer.status < 400:
            raise ProcessorMisplaced(self._name, f"{told} Redirects are not followed.")
        if 400 <= answer.status < 500 and answer.status not in _LATER:
            raise ProcessorForbidden(self._name, told, advice="Does it know our public key?")
        raise ProcessorUnavailable(self._name, told)

    def _ask(
        self, method: str, below: str, body: bytes = b"", timeout: float = _PATIENCE
    ) -> Answer:
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
            response = connection.getresponse()
            return Answer(response.status, response.read(_LARGEST + 1))

    @contextmanager
    def _connected(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        """A connection for one request, cut off after ``timeout`` seconds whatever it is at.

        The socket's own timeout is for each read alone: a server that sends a byte now and then
        would be waited for without end.
        """
        connection, cut = _open(self._url, timeout), _Cut()
        timer = Timer(timeout, cut.off)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            cut.take(connection.sock)
            yield connection
        except (OSError, http.client.HTTPException, ValueError) as error:
            # what the library says may hold what the server sent, so it is no part of the message
            if cut.late or isinstance(error, TimeoutError):
                raise ProcessorTimeout(self._name) from error
            raise ProcessorUnavailable(self._name) from error
        finally:
            timer.cancel()
            connection.close()


class _Cut:
    """Ends a connection at a moment that may come before it is there."""

    def __init__(self) -> None:
        self.late = False
        self._socket: socket.socket | None = None

    def off(self) -> None:
        """From now on nothing is sent or received."""
        self.late = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def take(self, made: socket.socket) -> None:
        """The connection is there. Raises TimeoutError if its time is over already."""
        self._socket = made
        if self.late:
            raise TimeoutError


def _open(url: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, url.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=timeout)


def _authority(url: SplitResult) -> str:
    """Host and port as they are signed: in lower case, without the scheme's own port."""
    port = {"https": 443, "http": 80}[url.scheme]
    host = (url.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    return shown if url.port in (None, port) else f"{shown}:{url.port}"
