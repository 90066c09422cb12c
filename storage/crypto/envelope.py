"""Sealed envelopes: content under a key of its own, which the region's root key wraps.

There are two formats. An object on a backend (``seal_object``) is one byte, 1; the wrapped key; and
the content under AES-256-GCM. If KMS wrapped the key, the byte is 2, and the size of the wrapped
key (4 bytes, big-endian) comes before it. A name in the catalog (``seal_name``) is the wrapped key
and the size of the name, each after its length; and the name as ``storage.crypto.record`` seals a
body.

Both bind the content to a ``context``, which must be given again to open it.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.crypto.record import framed, new_key, open_body, seal_body
from storage.errors import Corrupt
from storage.model import Entropy
from storage.ports import RootKeys

_FORMAT: Final = b"\1"
_SIZED: Final = b"\2"
_WRAPPED: Final = 61  # bytes of a key that a key file wrapped
_WRAPPED_BY_KMS: Final = range(2, 6146)  # one byte, 0, and a blob of KMS
_SEAL: Final = 17  # bytes that sealing adds to a name that does not get shorter


def seal_object(
    plain: bytes, *, what: str, context: bytes, roots: RootKeys, entropy: Entropy
) -> bytes:
    """Seal the content of an object. ``what`` names its kind in one word, at most 12 bytes."""
    key = new_key(entropy)
    wrapped = roots.wrap(key, context)
    head = _FORMAT + wrapped if len(wrapped) == _WRAPPED else _SIZED + framed(wrapped)
    return head + AESGCM(key).encrypt(_nonce(what), plain, context)


def open_object(sealed: bytes, *, what: str, context: bytes, roots: RootKeys) -> bytes:
    """Open what ``seal_object`` sealed.

    Raises Corrupt if it is not what was sealed for ``context``, KeyUnavailable if no root key
    opens it.
    """
    size = _WRAPPED if sealed[:1] == _FORMAT else int.from_bytes(sealed[1:5])
    start = 1 if sealed[:1] == _FORMAT else 5
    if sealed[:1] not in (_FORMAT, _SIZED) or len(sealed) <= start + size:
        raise Corrupt(f"The object does not contain a sealed {what}.")
    wrapped, rest = sealed[start : start + size], sealed[start + size :]
    key = roots.unwrap(wrapped, context)
    try:
        return AESGCM(key).decrypt(_nonce(what), rest, context)
    except InvalidTag as error:
        raise Corrupt(f"The sealed {what} of an object does not match its tag.") from error


def seal_name(roots: RootKeys, entropy: Entropy, name: str, context: bytes) -> bytes:
    """Seal the name of a subject or group, for rows that must outlive a pseudonym key.

    A pseudonym cannot be turned into one under a newer key, so a hold that goes on finding a
    subject keeps the name too. Only the root key opens it.
    """
    key, plain = new_key(entropy), name.encode()
    wrapped = roots.wrap(key, context)
    return framed(wrapped, len(plain).to_bytes(4)) + seal_body(key, plain, context)


def open_name(roots: RootKeys, sealed: bytes, context: bytes) -> str:
    """Open what ``seal_name`` sealed. Raises KeyUnavailable, or Corrupt if it was changed."""
    if root_version(sealed) is None:
        raise Corrupt("What should be a sealed name is none.")
    wrapped, size, body = _parts(sealed)
    key = roots.unwrap(wrapped, context)
    try:
        return open_body(key, body, context, int.from_bytes(size[4:])).decode()
    except UnicodeDecodeError:  # its message contains the name
        raise Corrupt("A sealed name is not text.") from None


def root_version(sealed: bytes) -> int | None:
    """Return the version of the root key that a sealed name says. None: it cannot be one.

    The catalog looks for the same (``is_sealed_name``).
    """
    wrapped, size, body = _parts(sealed)
    by_kms = wrapped[:1] == b"\0"
    sound = len(wrapped) in _WRAPPED_BY_KMS if by_kms else len(wrapped) == _WRAPPED
    if not sound or len(size) != 8 or size[:4] != b"\0\0\0\4":
        return None
    return wrapped[0] if _SEAL <= len(body) <= int.from_bytes(size[4:]) + _SEAL else None


def _nonce(what: str) -> bytes:
    """Return a fixed nonce: a key seals one object, once."""
    return what.encode().ljust(12, b"\0")


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the wrapped key; the size of the name, after its own length; and the name."""
    stop = 4 + int.from_bytes(sealed[:4])
    return sealed[4:stop], sealed[stop : stop + 8], sealed[stop + 8 :]
