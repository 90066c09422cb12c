"""The public keys that verify receipts: their ids, and their export and import."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from storage.errors import InvalidRequest

_BLOCK = re.compile(r"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----\n?")


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key of a region, with the times of the first and the last receipt that it signed.

    ``version`` is its version in the key file; None if the file no longer has it.
    """

    key: Ed25519PublicKey
    version: int | None
    first_signed: datetime | None
    last_signed: datetime | None


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id (``kid``) of a public key: its thumbprint (RFC 7638, RFC 8037 A.3)."""
    fields = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def export_pem(key: Ed25519PublicKey) -> str:
    """Return the key as PEM (SubjectPublicKeyInfo, RFC 8410), for those who verify receipts."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def export_jwk_set(keys: Iterable[PublishedKey]) -> dict[str, object]:
    """Return the keys as a JWK set (RFC 7517, RFC 8037) with the times at which each signed."""
    return {"keys": [_jwk(published) for published in keys]}


def import_public_keys(text: str) -> dict[str, Ed25519PublicKey]:
    """Read keys, by id, from one or more blocks of PEM, or from a JWK set.

    Ignores keys of other types in a JWK set, as RFC 7517 says. Raises InvalidRequest if the text is
    neither, or has no Ed25519 public key.
    """
    try:
        keys = _from_jwk_set(json.loads(text)) if text.lstrip()[:1] == "{" else _from_pem(text)
    except (ValueError, UnsupportedAlgorithm, RecursionError) as error:
        raise _no_keys() from error
    if not keys:
        raise _no_keys()
    return {key_id(key): key for key in keys}


def _jwk(published: PublishedKey) -> dict[str, object]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _base64url(published.key.public_bytes_raw()),
        "use": "sig",
        "alg": "EdDSA",
        "kid": key_id(published.key),
        "version": published.version,
        "first_signed": published.first_signed,
        "last_signed": published.last_signed,
    }


def _from_pem(text: str) -> list[Ed25519PublicKey]:
    if _BLOCK.sub("", text).strip():
        raise ValueError("the text contains more than public keys")
    found = [load_pem_public_key(block.encode()) for block in _BLOCK.findall(text)]
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if len(keys) < len(found):
        raise ValueError("not an Ed25519 key")
    return keys


def _from_jwk_set(document: object) -> list[Ed25519PublicKey]:
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError("not a JWK set")
    ours = [e for e in entries if (e.get("kty"), e.get("crv")) == ("OKP", "Ed25519")]
    return [Ed25519PublicKey.from_public_bytes(_bytes(entry.get("x"))) for entry in ours]


def _bytes(text: object) -> bytes:
    """Decode 32 bytes. Raises ValueError unless ``_base64url`` would write them like this."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
        raise ValueError("not 32 bytes in base64url")
    data = base64.urlsafe_b64decode(text + "=")
    if _base64url(data) != text:
        raise ValueError("not in canonical form")
    return data


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _no_keys() -> InvalidRequest:
    return InvalidRequest(
        "The text contains no Ed25519 public key in PEM or in a JWK set.",
        advice="Ask who issued the receipt; a key in PEM begins with -----BEGIN PUBLIC KEY-----.",
    )
