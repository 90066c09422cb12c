"""The key that signs the region's log, under which name, and the sealed texts of its lines."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.crypto.envelope import open_object, seal_object
from storage.errors import Corrupt, LogInvalid
from storage.model import Entropy
from storage.ports import RootKeys
from storage.tlog.commitments import Opening
from storage.tlog.verifiers import ED25519, Verifier

_WHAT: Final = "log"


def log_key(signing: Ed25519PrivateKey) -> Ed25519PrivateKey:
    """Derive the key that signs checkpoints from the one that signs receipts: each has one use."""
    seed = signing.private_bytes_raw()
    derived = hashlib.blake2b(key=seed, person=b"domicile log", digest_size=32).digest()
    return Ed25519PrivateKey.from_private_bytes(derived)


def origin(region: str) -> str:
    """Return the name of a region's log: the first line of its checkpoints."""
    return f"domicile/{region}"


def verifier(region: str, key: Ed25519PrivateKey) -> Verifier:
    """Return the verifier key of a region's log."""
    return Verifier(origin(region), ED25519, key.public_key().public_bytes_raw())


def seal_openings(
    openings: Sequence[Opening], object_id: UUID, roots: RootKeys, entropy: Entropy
) -> bytes:
    """Seal salts and texts of lines, in their order, for the object ``object_id``."""
    encoded = [base64.b64encode(opening.encode()).decode() for opening in openings]
    plain, context = json.dumps(encoded).encode(), _context(object_id)
    return seal_object(plain, what=_WHAT, context=context, roots=roots, entropy=entropy)


def open_openings(sealed: bytes, object_id: UUID, roots: RootKeys) -> list[Opening]:
    """Open what ``seal_openings`` sealed. Raises Corrupt, or KeyUnavailable."""
    plain = open_object(sealed, what=_WHAT, context=_context(object_id), roots=roots)
    try:
        return [Opening.parse(base64.b64decode(each)) for each in json.loads(plain)]
    except (ValueError, TypeError, LogInvalid):  # an error of json contains the text
        raise Corrupt("This version cannot read the format of the texts of a log.") from None


def _context(object_id: UUID) -> bytes:
    return b"domicile log lines " + object_id.bytes
