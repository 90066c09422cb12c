"""One record: its key, its sealed body and metadata, and the fingerprint of its content.

A record key is random and seals one body and one metadata, once. Whoever writes the same record
again makes a new key; whoever moves it wraps the same key again and leaves the ciphertext alone.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from storage.errors import Corrupt, InvalidRequest, KeyUnavailable, MetadataTooLarge
from storage.model import Entropy, RecordId

KEY_SIZE: Final = 32  # bytes: AES-256
WRAPPED_SIZE: Final = 40  # bytes: RFC 3394 adds 8
METADATA_LIMIT: Final = 4096  # bytes of canonical JSON
METADATA_DEPTH: Final = 32  # lists and dictionaries in each other

# A nonce may be fixed because the key is used once for each part. The parts, and the chunks of
# storage.crypto.stream (whose nonces begin with seven zero bytes), must never share one: a file's
# metadata is sealed under the key of its chunks.
_BODY_NONCE: Final = b"body".ljust(12, b"\0")
_METADATA_NONCE: Final = b"metadata".ljust(12, b"\0")

_STORED: Final = b"\0"
_COMPRESSED: Final = b"\1"


class _Zstd(threading.local):
    """A compressor and a decompressor for each thread: they are costly to make, and not shared."""

    def __init__(self) -> None:
        self.compressor = ZstdCompressor(level=3)
        self.decompressor = ZstdDecompressor()


_zstd = _Zstd()


def new_key(entropy: Entropy) -> bytes:
    """A record key, for one body and one metadata."""
    key = entropy(KEY_SIZE)
    if len(key) != KEY_SIZE:
        raise ValueError("the source of randomness gave too little")
    return key


def wrap_key(kek: bytes, key: bytes) -> bytes:
    """A record key under a day key: 40 bytes (RFC 3394, AES-256)."""
    if len(kek) != KEY_SIZE or len(key) != KEY_SIZE:
        raise ValueError("keys have 32 bytes")
    return aes_key_wrap(kek, key)


def unwrap_key(kek: bytes, wrapped: bytes) -> bytes:
    """The record key again. Raises KeyUnavailable if this is not what the day key wrapped."""
    if len(kek) != KEY_SIZE or len(wrapped) != WRAPPED_SIZE:
        raise KeyUnavailable("A wrapped record key has the wrong size.")
    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap as error:
        raise KeyUnavailable("A record key is not what its day key wrapped.") from error


def framed(*parts: bytes) -> bytes:
    """The parts, each after its length (4 bytes, big-endian): other parts give other bytes."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def associated(record_id: RecordId, tenant: str) -> bytes:
    """What is authenticated with every sealed part: format, unique id, day, class and tenant.

    A ciphertext in another record's row is refused by its tag. Minted time and region are left
    out: two mintings of one idempotency key may differ in them.
    """
    day = record_id.day.isoformat() if record_id.day else ""
    return b"\1" + framed(
        b"domicile record",
        record_id.unique,
        day.encode(),
        record_id.data_class.value.encode(),
        tenant.encode(),
    )


def seal_body(key: bytes, body: bytes, aad: bytes) -> bytes:
    """A body, compressed if that makes it smaller, under AES-256-GCM: at most 17 bytes longer."""
    compressed = _zstd.compressor.compress(body)
    smaller = len(compressed) < len(body)
    plain = _COMPRESSED + compressed if smaller else _STORED + body
    return AESGCM(key).encrypt(_BODY_NONCE, plain, aad)


def open_body(key: bytes, sealed: bytes, aad: bytes, size: int) -> bytes:
    """The body again. ``size`` is its length in bytes, from the catalog.

    Raises Corrupt if the tag or the size is wrong. Takes no more memory than ``size`` asks for.
    """
    plain = _unseal(key, _BODY_NONCE, sealed, aad)
    form, payload = plain[:1], plain[1:]
    body = _decompress(payload, size) if form == _COMPRESSED else payload
    if form not in (_STORED, _COMPRESSED) or len(body) != size:
        raise Corrupt("A body is not of the format or size that the catalog says.")
    return body


def seal_metadata(key: bytes, metadata: Mapping[str, object], aad: bytes) -> bytes:
    """Metadata, as its text, under AES-256-GCM. Raises what ``metadata_text`` raises."""
    return AESGCM(key).encrypt(_METADATA_NONCE, metadata_text(metadata), aad)


def metadata_text(metadata: Mapping[str, object]) -> bytes:
    """Metadata as canonical JSON (sorted keys, no spaces, UTF-8).

    Raises MetadataTooLarge over 4 KiB of JSON, InvalidRequest for what JSON would not give back
    as it was (a tuple, NaN, a key that is not text). No error shows a name or a value.
    """
    text = _canonical(dict(metadata))
    if text is None:
        raise InvalidRequest(
            "The metadata is not JSON.",
            advice="Use text, numbers, true, false, null, lists, and dictionaries with text keys.",
        )
    if len(text) > METADATA_LIMIT:
        raise MetadataTooLarge(f"Metadata may have {METADATA_LIMIT} bytes of JSON.")
    return text


def open_metadata(key: bytes, sealed: bytes, aad: bytes) -> dict[str, object]:
    """The metadata again. Raises Corrupt if it is not what was sealed for this record."""
    text = _unseal(key, _METADATA_NONCE, sealed, aad)
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise Corrupt("Sealed metadata is not JSON.")
    return metadata


def fingerprint(key: bytes, parts: Sequence[bytes]) -> bytes:
    """16 bytes that tell whether content is the same, and nothing to who lacks the record key.

    HMAC-SHA256 under a subkey of the record key, over the parts and their lengths. With the key
    destroyed nobody can test a guess of the content against it. Compare with
    ``hmac.compare_digest``.
    """
    mac = hmac.new(hmac.digest(key, b"domicile fingerprint 1", "sha256"), digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(8))
        mac.update(part)
    return mac.digest()[:16]


def _unseal(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag as error:
        raise Corrupt("A sealed part does not match its tag.") from error


def _decompress(payload: bytes, size: int) -> bytes:
    """At most ``size`` bytes. zstandard ignores its own limit if the frame names a size."""
    try:
        if frame_content_size(payload) != size:
            raise Corrupt("A body is not of the size that the catalog says.")
        return _zstd.decompressor.decompress(payload, max_output_size=size, allow_extra_data=False)
    except ZstdError as error:
        raise Corrupt("A body cannot be decompressed.") from error


def _canonical(metadata: dict[str, object]) -> bytes | None:
    """Canonical JSON, or None. No exception leaves here: json's own quote the values."""
    if not _is_json(metadata, METADATA_DEPTH):
        return None
    try:
        return json.dumps(
            metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except ValueError:  # NaN, an infinity, half a surrogate pair, an endless integer
        return None


def _is_json(value: object, depth: int) -> bool:
    """Whether JSON gives the value back as it was. The depth is bounded: readers recurse too."""
    if isinstance(value, dict):
        return depth > 0 and all(
            isinstance(name, str) and _is_json(item, depth - 1) for name, item in value.items()
        )
    if isinstance(value, list):
        return depth > 0 and all(_is_json(item, depth - 1) for item in value)
    return value is None or isinstance(value, str | int | float)
