"""The connector to a processor with an HTTP interface: three signed requests, never repeated.

``PUT <url>/<copy>`` delivers, ``DELETE <url>/<copy>`` requests the deletion, and ``GET
<url>/<copy>/acknowledgement`` returns the signed acknowledgement, or 202 while there is none. Other
responses are failures. Redirects are not followed: content goes only where the topology says.
"""

from datetime import timedelta
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
from storage.exchange import Response, Unanswered, exchange
from storage.model import Entropy
from storage.ports import Acknowledgement, Clock
from storage.processors.acknowledgement import verify
from storage.processors.signing import signed_headers

_TIMEOUT: Final = 10.0  # seconds for a request without content
_LARGEST: Final = 16 * 1024  # bytes of a response that are read
_DONE: Final = frozenset({200, 201, 202, 204})
_RETRY_LATER: Final = frozenset({408, 425, 429})  # a valid request at the wrong time


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
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        try:
            return exchange(
                method,
                self._url,
                path,
                body=body,
                headers=headers,
                timeout=timeout,
                most=_LARGEST,
            )
        except Unanswered as error:
            failed = ProcessorTimeout if error.late else ProcessorUnavailable
            raise failed(self._name) from error


def _authority(url: SplitResult) -> str:
    """Return host and port as signed: lower case, without the default port of the scheme."""
    port = {"https": 443, "http": 80}[url.scheme]
    host = (url.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    return shown if url.port in (None, port) else f"{shown}:{url.port}"
