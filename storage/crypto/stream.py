"""Seal large bodies in chunks, so that ranges can be read and truncation is detected.

STREAM (Hoang, Reyhanitabar, Rogaway, Vizar: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, CRYPTO 2015) over AES-256-GCM. The nonce of a chunk is 7 zero bytes (a key seals
one stream only, so streams need no prefix), 4 bytes of its number, big-endian, and 1 byte that is 1
for the last chunk. A chunk that is moved, omitted, swapped or added, or a stream that ends early,
changes a nonce, and the tag of that chunk is wrong.

A body of n bytes is max(1, ceil(n / chunk)) chunks; each is 16 bytes longer when sealed. Nothing
is compressed, so that the position of a range can be computed.
"""

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import Corrupt, InvalidRequest

CHUNK: Final = 1024 * 1024  # bytes of plaintext
TAG: Final = 16  # bytes that sealing adds to a chunk


class Span(NamedTuple):
    """The sealed bytes of a range: ``start`` to ``stop`` (exclusive), from chunk ``first``."""

    start: int
    stop: int
    first: int


class Sealer:
    """Seals one body as it arrives, with the memory of two chunks. For one thread.

    The key must be new: a second stream under the same key, even a part, discloses both.
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
        """Return the chunks that are complete. The last chunk waits for ``finish``."""
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
        """Return the last chunk, which is empty for an empty body."""
        if self._finished:
            raise ValueError("the stream is finished")
        self._finished = True
        return self._seal(last=True)

    def _seal(self, *, last: bool) -> bytes:
        number = self._number
        self._number += 1  # before sealing: a failure must not reuse the nonce
        sealed = self._cipher.encrypt(_nonce(number, last=last), self._pending, self._aad)
        self._pending.clear()
        return sealed


def sealed_size(size: int, *, chunk: int = CHUNK) -> int:
    """Return the sealed size of a body of ``size`` bytes."""
    return size + TAG * _chunks(size, chunk)


def chunk_span(start: int, stop: int, size: int, *, chunk: int = CHUNK) -> Span:
    """Return the sealed bytes to fetch for bytes ``start`` to ``stop`` (exclusive) of a body.

    At least one chunk, so that an empty range is verified too. Raises InvalidRequest if the range
    is outside the body.
    """
    if not 0 <= start <= stop <= size:
        raise InvalidRequest("The range is outside the record.")
    last = _chunks(size, chunk) - 1
    first = min(start // chunk, last)
    end = max(first, (stop - 1) // chunk)
    sealed = chunk + TAG
    return Span(first * sealed, min((end + 1) * sealed, sealed_size(size, chunk=chunk)), first)


def open_range(
    key: bytes, aad: bytes, sealed: bytes, *, start: int, stop: int, size: int, chunk: int = CHUNK
) -> bytes:
    """Open bytes ``start`` to ``stop`` (exclusive) of a body of ``size`` bytes.

    ``sealed`` is exactly what ``chunk_span`` returns. Every chunk is verified before a byte is
    returned. Raises Corrupt if a chunk is not what was sealed at its position.
    """
    span = chunk_span(start, stop, size, chunk=chunk)
    if len(sealed) != span.stop - span.start:
        raise Corrupt("The stream has another size than the catalog says.")
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
