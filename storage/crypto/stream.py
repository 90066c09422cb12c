"""Large bodies: sealed in chunks, so that a range can be read and a truncation is seen.

STREAM (Hoang, Reyhanitabar, Rogaway, Vizar: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, CRYPTO 2015) over AES-256-GCM. The nonce of a chunk is 7 zero bytes (the key
seals one stream only, so no prefix has to tell streams apart), 4 bytes of its number, big-endian,
and 1 byte that says whether it is the last. A chunk that is moved, left out, swapped or added, or
a stream that ends early, gives another nonce somewhere, and there the tag is wrong.

A body of n bytes is max(1, ceil(n / chunk)) chunks; each is 16 bytes longer when sealed. Nothing
is compressed, so that where a range lies is arithmetic.
"""

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import Corrupt, InvalidRequest

CHUNK: Final = 1024 * 1024  # bytes of plaintext
TAG: Final = 16  # bytes that sealing adds to a chunk


class Span(NamedTuple):
    """Which sealed bytes hold a range: ``start`` to ``stop`` (exclusive), from chunk ``first``."""

    start: int
    stop: int
    first: int


class Sealer:
    """Seals one body as it arrives, in the memory of two chunks. For one thread.

    The key must be new: a second stream under it, whole or in part, gives both away.
    """

    def __init__(self, key: bytes, aad: bytes, *, chunk: int = CHUNK) -> None:
        """``aad`` is authenticated with every chunk. ``chunk`` is smaller only in tests."""
        self._cipher = AESGCM(key)
        self._aad = aad
        self._chunk = chunk
        self._pending = bytearray()
        self._number = 0
        self._finished = False

    def update(self, data: bytes) -> bytes:
        """The chunks that are complete now. The last one waits: only ``finish`` knows it."""
        if self._finished:
            raise ValueError("the stream is finished")
        view = memoryview(data)
        sealed = []
        while view:
            if len(self._pending) == self._chunk:
                sealed.append(self._seal(last=False))
            room = self._chunk - len(self._pending)
            self._pending += view[:room]
            view = view[room:]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The last chunk, empty if the body is."""
        if self._finished:
            raise ValueError("the stream is finished")
        self._finished = True
        return self._seal(last=True)

    def _seal(self, *, last: bool) -> bytes:
        number = self._number
        self._number += 1  # before sealing: a failure must not lead to the same nonce again
        sealed = self._cipher.encrypt(_nonce(number, last=last), self._pending, self._aad)
        self._pending.clear()
        return sealed


def sealed_size(size: int, *, chunk: int = CHUNK) -> int:
    """How many bytes a body of ``size`` bytes has when sealed."""
    return size + TAG * _chunks(size, chunk)


def chunk_span(start: int, stop: int, size: int, *, chunk: int = CHUNK) -> Span:
    """Which sealed bytes to fetch for bytes ``start`` to ``stop`` (exclusive) of a body.

    At least one chunk, so that an empty answer is verified too. Raises InvalidRequest if the
    range is not inside the body.
    """
    if not 0 <= start <= stop <= size:
        raise InvalidRequest("The range is not inside the record.")
    last = _chunks(size, chunk) - 1
    first = min(start // chunk, last)
    end = max(first, (stop - 1) // chunk)
    sealed = chunk + TAG
    return Span(first * sealed, min((end + 1) * sealed, sealed_size(size, chunk=chunk)), first)


def open_range(
    key: bytes, aad: bytes, sealed: bytes, *, start: int, stop: int, size: int, chunk: int = CHUNK
) -> bytes:
    """Bytes ``start`` to ``stop`` (exclusive) of a body of ``size`` bytes.

    ``sealed`` is exactly what ``chunk_span`` names. Every chunk of it is verified before a byte
    is returned. Raises Corrupt if one is not what was sealed in its place.
    """
    span = chunk_span(start, stop, size, chunk=chunk)
    if len(sealed) != span.stop - span.start:
        raise Corrupt("A stream is not of the size that the catalog says.")
    cipher = AESGCM(key)
    last = _chunks(size, chunk) - 1
    view = memoryview(sealed)
    plain = []
    for number, offset in enumerate(range(0, len(sealed), chunk + TAG), span.first):
        nonce = _nonce(number, last=number == last)
        try:
            plain.append(cipher.decrypt(nonce, view[offset : offset + chunk + TAG], aad))
        except InvalidTag as error:
            raise Corrupt("A chunk of a stream does not match its tag.") from error
    base = span.first * chunk
    return b"".join(plain)[start - base : stop - base]


def _chunks(size: int, chunk: int) -> int:
    return max(1, -(-size // chunk))


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4) + bytes([last])
