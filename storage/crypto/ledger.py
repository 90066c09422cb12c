"""An entry of the ledger, sealed: it holds pseudonyms, and lies on the backends."""

from uuid import UUID

from storage.crypto.sealed_once import open_once, seal_once
from storage.events import Entry, decode, encode
from storage.model import Entropy
from storage.ports import RootKeys

_WHAT = "ledger"


def seal_entry(entry: Entry, object_id: UUID, roots: RootKeys, entropy: Entropy) -> bytes:
    """The entry as an object of that id holds it: canonical JSON, sealed."""
    context = _context(object_id)
    return seal_once(encode(entry), what=_WHAT, context=context, roots=roots, entropy=entropy)


def open_entry(sealed: bytes, object_id: UUID, roots: RootKeys) -> Entry:
    """The entry again.

    Raises Corrupt if it is not what was sealed for that object, KeyUnavailable if no root key
    opens it.
    """
    return decode(open_once(sealed, what=_WHAT, context=_context(object_id), roots=roots))


def _context(object_id: UUID) -> bytes:
    return b"domicile ledger entry " + object_id.bytes
