"""Seal one record: its key, its body, metadata and flags, and the fingerprint of its content.

A record key is random and seals one body and one metadata, once. Writing a record again takes a new
key; relocating it wraps the same key again and leaves the ciphertext unchanged.
"""

import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from storage.errors import Corrupt, InvalidRequest, KeyUnavailable, MetadataTooLarge
from storage.model import Entropy, RecordId

KEY_SIZE: Final = 32  # bytes: AES-256
WRAPPED_SIZE: Final = 40  # bytes: RFC 3394 adds 8
NONCE_SIZE: Final = 12  # bytes
METADATA_LIMIT: Final = 4096  # bytes of canonical JSON
METADATA_DEPTH: Final = 32  # nesting of lists and dictionaries

# A nonce may be fixed because the key is used once for each part. The parts, and the chunks of
# storage.crypto.stream (whose nonces begin with seven zero bytes), must never share one: a file's
# metadata is sealed under the key of its chunks.
_BODY_NONCE: Final = b"body".ljust(12, b"\0")
_METADATA_NONCE: Final = b"metadata".ljust(12, b"\0")

_STORED: Final = b"\0"
_COMPRESSED: Final = b"\1"


class _Zstd(threading.local):
    """A compressor and a decompressor per thread: costly to create, and not thread-safe."""

    def __init__(self) -> None:
        self.compressor = ZstdCompressor(level=3)
        self.decompressor = ZstdDecompressor()


_zstd = _Zstd()


def new_key(entropy: Entropy) -> bytes:
    """Return a record key, for one body and one metadata."""
    key = entropy(KEY_SIZE)
    if len(key) != KEY_SIZE:
        raise ValueError("the random source returned too few bytes")
    return key


def wrap_key(kek: bytes, key: bytes) -> bytes:
    """Wrap a record key under a day key: 40 bytes (RFC 3394, AES-256)."""
    if len(kek) != KEY_SIZE or len(key) != KEY_SIZE:
        raise ValueError("keys have 32 bytes")
    return aes_key_wrap(kek, key)


def unwrap_key(kek: bytes, wrapped: bytes) -> bytes:
    """Unwrap a record key. Raises KeyUnavailable if the day key did not wrap these bytes."""
    if len(kek) != KEY_SIZE or len(wrapped) != WRAPPED_SIZE:
        raise KeyUnavailable("A wrapped record key has the wrong size.")
    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap as error:
        raise KeyUnavailable("The day key did not wrap this record key.") from error


def framed(*parts: bytes) -> bytes:
    """Return the parts, each after its length (4 bytes, big-endian): an unambiguous encoding."""
    return b"".join([len(part).to_bytes(4) + part for part in parts])


_FORMAT: Final = b"\1" + framed(b"domicile record")


def associated(record_id: RecordId, tenant: str) -> bytes:
    """Return the associated data of every sealed part: format, unique id, day, class and tenant.

    It makes the tag of a ciphertext in another record's row wrong. Mint time and region are left
    out, because two ids of one idempotency key may differ in them.
    """
    unique = record_id.unique
    own = len(unique).to_bytes(4) + unique  # framed
    return _FORMAT + own + _shared(record_id.day, record_id.data_class.value, tenant)


@lru_cache(4096)
def _shared(day: date | None, data_class: str, tenant: str) -> bytes:
    """Return what is the same in the associated data of many records."""
    written = day.isoformat() if day else ""
    return framed(written.encode(), data_class.encode(), tenant.encode())


def seal_body(key: bytes, body: bytes, aad: bytes) -> bytes:
    """Compress a body if that helps, and seal it with AES-256-GCM: at most 17 bytes longer."""
    compressed = _zstd.compressor.compress(body)
    smaller = len(compressed) < len(body)
    plain = _COMPRESSED + compressed if smaller else _STORED + body
    return AESGCM(key).encrypt(_BODY_NONCE, plain, aad)


def open_body(key: bytes, sealed: bytes, aad: bytes, size: int) -> bytes:
    """Open a body. ``size`` is its length in bytes, from the catalog.

    Raises Corrupt if the tag or the size is wrong. Allocates memory for ``size`` bytes at most.
    """
    plain = _unseal(key, _BODY_NONCE, sealed, aad)
    form, payload = plain[:1], plain[1:]
    body = _decompress(payload, size) if form == _COMPRESSED else payload
    if form not in (_STORED, _COMPRESSED) or len(body) != size:
        raise Corrupt("The body has another format or size than the catalog says.")
    return body


def seal_metadata(key: bytes, metadata: Mapping[str, object], aad: bytes) -> bytes:
    """Seal metadata with AES-256-GCM. Raises what ``metadata_text`` raises."""
    return AESGCM(key).encrypt(_METADATA_NONCE, metadata_text(metadata), aad)


def metadata_text(metadata: Mapping[str, object]) -> bytes:
    """Return metadata as canonical JSON (sorted keys, no spaces, UTF-8).

    Raises MetadataTooLarge over 4 KiB of JSON, InvalidRequest for values that JSON does not
    preserve (a tuple, NaN, a key that is not text). No error shows a name or a value.
    """
    text = _canonical(dict(metadata))
    if text is None:
        raise InvalidRequest(
            "The metadata is not JSON.",
            advice="Use text, numbers, true, false, null, lists, and dictionaries with text keys.",
        )
    if len(text) > METADATA_LIMIT:
        raise MetadataTooLarge(f"The metadata is larger than {METADATA_LIMIT} bytes of JSON.")
    return text


def seal_metadata_again(
    key: bytes, metadata: Mapping[str, object], aad: bytes, version: int, entropy: Entropy
) -> bytes:
    """Seal metadata that replaces others: a random nonce, then the sealed text.

    The key is a subkey of the record's, as for flags: only the first metadata has a fixed nonce.
    ``version``: 1 or more; it is bound to the text. Raises what ``metadata_text`` raises.
    """
    nonce, text = entropy(NONCE_SIZE), metadata_text(metadata)
    sealed = AESGCM(_metadata_key(key)).encrypt(nonce, text, _versioned(aad, version))
    return nonce + sealed


def open_metadata(key: bytes, sealed: bytes, aad: bytes, version: int = 0) -> dict[str, object]:
    """Open metadata. Raises Corrupt if it was not sealed for this record, as this version."""
    if version == 0:
        text = _unseal(key, _METADATA_NONCE, sealed, aad)
    else:
        nonce, text = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
        text = _unseal(_metadata_key(key), nonce, text, _versioned(aad, version))
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise Corrupt("Sealed metadata is not JSON.")
    return metadata


def seal_flags(
    key: bytes, flags: Sequence[Mapping[str, object]], aad: bytes, entropy: Entropy
) -> bytes:
    """Seal all flags of a record with AES-256-GCM: a random nonce, then the sealed text.

    The key is a subkey of the record's: unlike its other parts, flags are sealed again when there
    are more.
    """
    nonce = entropy(NONCE_SIZE)
    text = json.dumps(list(flags), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return nonce + AESGCM(_flags_key(key)).encrypt(nonce, text.encode(), aad)


def open_flags(key: bytes, sealed: bytes, aad: bytes) -> list[dict[str, object]]:
    """Open the flags of a record. Raises Corrupt if they were not sealed for it."""
    flags = json.loads(_unseal(_flags_key(key), sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], aad))
    assert isinstance(flags, list)
    return flags


def _metadata_key(key: bytes) -> bytes:
    return hmac.digest(key, b"domicile metadata 1", "sha256")


def _versioned(aad: bytes, version: int) -> bytes:
    return aad + version.to_bytes(4)


def _flags_key(key: bytes) -> bytes:
    return hmac.digest(key, b"domicile flags 1", "sha256")


def fingerprint(key: bytes, parts: Sequence[bytes]) -> bytes:
    """Return 16 bytes that are equal for equal content.

    HMAC-SHA256 under a subkey of the record key, over the parts and their lengths. Once the key is
    destroyed, a guess of the content cannot be tested against it. Compare with
    ``hmac.compare_digest``.
    """
    subkey = hmac.digest(key, b"domicile fingerprint 1", "sha256")
    content = b"".join([len(part).to_bytes(8) + part for part in parts])
    return hmac.digest(subkey, content, "sha256")[:16]


def _unseal(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError) as error:  # ValueError: the nonce is cut off
        raise Corrupt("A sealed part does not match its tag.") from error


def _decompress(payload: bytes, size: int) -> bytes:
    """Return ``size`` bytes. zstandard ignores its own limit if the frame names a size."""
    try:
        if frame_content_size(payload) != size:
            raise Corrupt("The body has another size than the catalog says.")
        return _zstd.decompressor.decompress(payload, max_output_size=size, allow_extra_data=False)
    except ZstdError as error:
        raise Corrupt("The body cannot be decompressed.") from error


def _canonical(metadata: dict[str, object]) -> bytes | None:
    """Return canonical JSON, or None. Raises nothing: errors of ``json`` quote the values."""
    if not _is_json(metadata, METADATA_DEPTH):
        return None
    try:
        return json.dumps(
            metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except ValueError:  # NaN, an infinity, half a surrogate pair, a huge integer
        return None


def _is_json(value: object, depth: int) -> bool:
    """Return whether JSON preserves the value. The depth is limited, as readers recurse too."""
    if isinstance(value, dict):
        return depth > 0 and all(
            isinstance(name, str) and _is_json(item, depth - 1) for name, item in value.items()
        )
    if isinstance(value, list):
        return depth > 0 and all(_is_json(item, depth - 1) for item in value)
    return value is None or isinstance(value, str | int | float)
