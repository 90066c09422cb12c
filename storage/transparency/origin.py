"""Who signs the log of a region, and under which name."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.region import OpenRegion
from storage.tlog.checkpoints import Trust
from storage.tlog.notes import parse_note
from storage.tlog.verifiers import ED25519, Verifier


def origin(region: str) -> str:
    """Return the name of a region's log: the first line of its checkpoints."""
    return f"domicile/{region}"


def verifier(region: str, key: Ed25519PrivateKey) -> Verifier:
    """Return the verifier key of a region's log."""
    return Verifier(origin(region), ED25519, key.public_key().public_bytes_raw())


def signer_of(note: str) -> bytes:
    """Return the id of the key that signed a checkpoint of ours."""
    return parse_note(note.encode()).signatures[0].key_id


def trust(region: OpenRegion) -> Trust:
    """Return whose signatures a region believes on its own log: its keys, former ones too."""
    return Trust(tuple(verifier(region.name, key) for key in region.log_keys))
