"""What a service and its key service say to each other, over a Unix socket or TLS.

A message is its size (4 bytes, big-endian) and canonical JSON: an object of texts, numbers and
lists of texts; bytes are in base64. The service asks, the key service answers, one after the other.
"""

import base64
import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from storage.errors import (
    DomicileError,
    InvalidRequest,
    KeyServiceUnavailable,
    KeyUnavailable,
    PurposeRefused,
)

LARGEST: Final = 1024 * 1024
"""Bytes of the largest message."""

MOST_KEYS: Final = 4096
"""Record keys of one ``rewrap``. Their message is smaller than ``LARGEST``."""

Value = str | int | list[str]
Message = dict[str, Value]

_CHUNK: Final = 64 * 1024
_REASON: Final = re.compile(r"[a-z_]{1,64}")
_LONGEST: Final = 500  # characters of a message for people
_ERRORS: Final[dict[str, type[DomicileError]]] = {
    kind.__name__: kind for kind in (InvalidRequest, KeyUnavailable, PurposeRefused)
}


class Malformed(Exception):
    """What came is no message of ours. Its text is fixed: it never shows what came."""


class Channel:
    """A connection that carries messages, each with a deadline for the whole of it."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        """``clock`` returns monotonic seconds."""
        self.connection = connection
        self._clock = clock

    def send(self, message: Mapping[str, Value], until: float) -> None:
        """Send a message. Raises OSError; TimeoutError if it is not sent by ``until``."""
        text = json.dumps(message, sort_keys=True, separators=(",", ":")).encode()
        if len(text) > LARGEST:
            raise Malformed("A message is too large.")
        rest = memoryview(len(text).to_bytes(4) + text)
        while rest:
            self._limit(until)
            rest = rest[self.connection.send(rest) :]

    def receive(self, until: float) -> Message | None:
        """Return the next message, None if the peer has closed the connection.

        Raises OSError, TimeoutError if the whole has not come by ``until``, Malformed.
        """
        head = self._read(4, until)
        if not head:
            return None
        size = int.from_bytes(head)
        if len(head) < 4 or not 0 < size <= LARGEST:
            raise Malformed("A message has no size, or is too large.")
        return parsed(self._read(size, until), size)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _read(self, size: int, until: float) -> bytes:
        """Read so many bytes, fewer if the peer closes."""
        parts: list[bytes] = []
        while size:
            self._limit(until)
            part = self.connection.recv(min(size, _CHUNK))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _limit(self, until: float) -> None:
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError("the time is over")
        self.connection.settimeout(left)


def parsed(text: bytes, size: int) -> Message:
    """Return the message in these bytes. Raises Malformed."""
    found: object = None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # their texts quote what came
        found = None
    if len(text) != size or not isinstance(found, dict) or not all(map(_fits, found.values())):
        raise Malformed("A message is not what the protocol says.")
    return found


def _fits(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def encoded(value: bytes) -> str:
    """Return bytes as they stand in a message."""
    return base64.b64encode(value).decode()


def text_in(message: Message, name: str) -> str:
    """Return the text of that name. Raises Malformed."""
    value = message.get(name)
    if not isinstance(value, str):
        raise Malformed("A message lacks a text.")
    return value


def bytes_in(message: Message, name: str, *, size: int | None = None) -> bytes:
    """Return the bytes of that name. Raises Malformed, also for another ``size``."""
    value = _decoded(text_in(message, name))
    if size is not None and len(value) != size:
        raise Malformed("A message has bytes of another size.")
    return value


def list_in(message: Message, name: str, *, size: int, most: int = MOST_KEYS) -> list[bytes]:
    """Return the list of that name, of at most ``most`` items of ``size`` bytes.

    Raises Malformed.
    """
    values = message.get(name)
    if not isinstance(values, list) or len(values) > most:
        raise Malformed("A message lacks a list, or it is too long.")
    found = [_decoded(value) for value in values]
    if any(len(value) != size for value in found):
        raise Malformed("A message has bytes of another size.")
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed("A message has bytes that are not base64.") from error


def refusal(error: DomicileError) -> Message:
    """Return the answer that tells an error. One that the peer cannot mend is ``Unavailable``."""
    kind = type(error).__name__
    reasons: Sequence[str] = error.reasons if isinstance(error, PurposeRefused) else ()
    return {
        "error": kind if kind in _ERRORS else "Unavailable",
        "message": error.message[:_LONGEST],
        "advice": error.advice[:_LONGEST],
        "reasons": [str(reason) for reason in reasons],
        "retryable": int(error.retryable),
    }


def error_in(message: Message) -> DomicileError:
    """Return the error of an answer that has one. Raises Malformed."""
    said, advice = text_in(message, "message"), text_in(message, "advice")
    reasons = message.get("reasons")
    sound = all(len(t) <= _LONGEST and t.isascii() and t.isprintable() for t in (said, advice))
    if not isinstance(reasons, list) or not sound or not all(map(_REASON.fullmatch, reasons)):
        raise Malformed("An answer has an error that is none.")
    kind = _ERRORS.get(text_in(message, "error"), KeyServiceUnavailable)
    if kind is PurposeRefused:
        return PurposeRefused(said, reasons=reasons, advice=advice)
    error = kind(said, advice=advice)
    retryable = message.get("retryable", int(error.retryable))  # an older key service does not say
    if retryable not in (0, 1):
        raise Malformed("An answer has an error that is none.")
    error.retryable = retryable == 1
    return error
