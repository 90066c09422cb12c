"""Seal entries of the ledger: they contain pseudonyms, and are stored on backends."""

from uuid import UUID

from storage.crypto.envelope import open_object, seal_object
from storage.events import Entry, decode, encode
from storage.model import Entropy
from storage.ports import RootKeys

_WHAT = "ledger"


def seal_entry(entry: Entry, object_id: UUID, roots: RootKeys, entropy: Entropy) -> bytes:
    """Return the bytes to store as the object ``object_id``: canonical JSON, sealed."""
    context = _context(object_id)
    return seal_object(encode(entry), what=_WHAT, context=context, roots=roots, entropy=entropy)


def open_entry(sealed: bytes, object_id: UUID, roots: RootKeys) -> Entry:
    """Open the entry that the object ``object_id`` contains.

    Raises Corrupt if it is not what was sealed for that object, KeyUnavailable if no root key
    opens it.
    """
    return decode(open_object(sealed, what=_WHAT, context=_context(object_id), roots=roots))


def _context(object_id: UUID) -> bytes:
    return b"domicile ledger entry " + object_id.bytes
