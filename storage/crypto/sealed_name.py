"""The name of a subject or group, sealed: for the few places that must make new pseudonyms of it.

A pseudonym cannot be turned into one under a newer key. What has to go on finding somebody keeps
the name too, readable for nobody without the region's root key.
"""

from storage.crypto.record import framed, new_key, open_body, seal_body
from storage.errors import KeyUnavailable
from storage.model import Entropy
from storage.ports import RootKeys


def seal_name(roots: RootKeys, entropy: Entropy, name: str, context: bytes) -> bytes:
    """The name, under a key of its own that the root key wraps; bound to ``context``."""
    key, plain = new_key(entropy), name.encode()
    wrapped = roots.wrap(key, context)
    return framed(wrapped, len(plain).to_bytes(4)) + seal_body(key, plain, context)


def open_name(roots: RootKeys, sealed: bytes, context: bytes) -> str:
    """The name again. Raises KeyUnavailable, or Corrupt if it is not what was sealed."""
    wrapped, rest = _take(sealed)
    size, body = _take(rest)
    key = roots.unwrap(wrapped, context)
    return open_body(key, body, context, int.from_bytes(size)).decode()


def _take(framed_bytes: bytes) -> tuple[bytes, bytes]:
    stop = 4 + int.from_bytes(framed_bytes[:4])
    if len(framed_bytes) < max(stop, 5):
        raise KeyUnavailable("A sealed name is cut short.")
    return framed_bytes[4:stop], framed_bytes[stop:]
