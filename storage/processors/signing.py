"""Signed requests: HTTP message signatures (RFC 9421) with Ed25519, over a digest (RFC 9530).

This is the subset that a connector needs: plain field values and three derived components.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.model import utc

COVERED: Final = ("@method", "@authority", "@path", "date", "content-digest")
"""What the signature of a request covers, besides its own parameters and their nonce."""

LABEL: Final = "domicile"


def derive_key(signing: Ed25519PrivateKey) -> Ed25519PrivateKey:
    """Derive the key that signs requests from the one that signs receipts: each has one use."""
    seed = signing.private_bytes_raw()
    derived = hashlib.blake2b(key=seed, person=b"domicile request", digest_size=32).digest()
    return Ed25519PrivateKey.from_private_bytes(derived)


def content_digest(body: bytes) -> str:
    """Return the value of Content-Digest (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def parameters(covered: Sequence[str], **given: str | int) -> str:
    """Return the signature parameters: what is covered, and when, how and with which key."""
    names = " ".join(f'"{name}"' for name in covered)
    pairs = (f'{k}="{v}"' if isinstance(v, str) else f"{k}={v}" for k, v in given.items())
    return ";".join([f"({names})", *pairs])


def signature_base(components: Mapping[str, str], params: str) -> bytes:
    """Return the bytes to sign (RFC 9421, section 2.5)."""
    lines = [f'"{name}": {value}' for name, value in components.items()]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")


def signed_headers(
    key: Ed25519PrivateKey,
    kid: str,
    *,
    method: str,
    authority: str,
    path: str,
    body: bytes,
    now: datetime,
    nonce: bytes,
) -> dict[str, str]:
    """Return the headers of a signed request: date, digest, and the signature over them."""
    moment = utc(now)
    date, digest = format_datetime(moment, usegmt=True), content_digest(body)
    components = dict(zip(COVERED, (method, authority, path, date, digest), strict=True))
    params = parameters(
        COVERED,
        created=int(moment.timestamp()),
        nonce=base64.urlsafe_b64encode(nonce).decode().rstrip("="),
        keyid=kid,
        alg="ed25519",
    )
    signature = base64.b64encode(key.sign(signature_base(components, params))).decode()
    return {
        "Date": date,
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{signature}:",
    }
