"""Bytes that lie on the backends, sealed under a key of their own that the root key wraps.

One byte, 1; the wrapped key; then AES-256-GCM.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.crypto.record import new_key
from storage.errors import Corrupt
from storage.model import Entropy
from storage.ports import RootKeys

_FORMAT: Final = b"\1"
_WRAPPED: Final = 61  # bytes of a wrapped key


def seal_once(
    plain: bytes, *, what: str, context: bytes, roots: RootKeys, entropy: Entropy
) -> bytes:
    """``what`` it is, in a word; ``context`` must be given again to open it."""
    key = new_key(entropy)
    return _FORMAT + roots.wrap(key, context) + AESGCM(key).encrypt(_nonce(what), plain, context)


def open_once(sealed: bytes, *, what: str, context: bytes, roots: RootKeys) -> bytes:
    """The bytes again.

    Raises Corrupt if they are not what was sealed there, KeyUnavailable if no root key opens them.
    """
    if sealed[:1] != _FORMAT or len(sealed) <= 1 + _WRAPPED:
        raise Corrupt(f"What should be the sealed {what} of an object is none.")
    wrapped, rest = sealed[1 : 1 + _WRAPPED], sealed[1 + _WRAPPED :]
    key = roots.unwrap(wrapped, context)
    try:
        return AESGCM(key).decrypt(_nonce(what), rest, context)
    except InvalidTag as error:
        raise Corrupt(f"The sealed {what} of an object does not match its tag.") from error


def _nonce(what: str) -> bytes:
    """Fixed, because a key seals one thing."""
    return what.encode().ljust(12, b"\0")
