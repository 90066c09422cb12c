"""An entry of the ledger, sealed: it holds pseudonyms, and lies on the backends.

One byte, 1; then a key of its own, wrapped by the root key; then AES-256-GCM of canonical JSON.
"""

from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.crypto.record import new_key
from storage.errors import Corrupt
from storage.events import Entry, decode, encode
from storage.model import Entropy
from storage.ports import RootKeys

_FORMAT: Final = b"\1"
_NONCE: Final = b"ledger".ljust(12, b"\0")  # fixed, because a key seals one entry
_WRAPPED: Final = 61  # bytes of a wrapped key


def seal_entry(entry: Entry, object_id: UUID, roots: RootKeys, entropy: Entropy) -> bytes:
    """The entry as an object of that id holds it."""
    key, context = new_key(entropy), _context(object_id)
    wrapped = roots.wrap(key, context)
    return _FORMAT + wrapped + AESGCM(key).encrypt(_NONCE, encode(entry), context)


def open_entry(sealed: bytes, object_id: UUID, roots: RootKeys) -> Entry:
    """The entry again.

    Raises Corrupt if it is not what was sealed for that object, KeyUnavailable if no root key
    opens it.
    """
    if sealed[:1] != _FORMAT or len(sealed) <= 1 + _WRAPPED:
        raise Corrupt("An object among those of the ledger is no entry.")
    wrapped, rest = sealed[1 : 1 + _WRAPPED], sealed[1 + _WRAPPED :]
    context = _context(object_id)
    key = roots.unwrap(wrapped, context)
    try:
        return decode(AESGCM(key).decrypt(_NONCE, rest, context))
    except InvalidTag as error:
        raise Corrupt("An entry of the ledger does not match its tag.") from error


def _context(object_id: UUID) -> bytes:
    return b"domicile ledger entry " + object_id.bytes
