"""The receipts of the test vector, and tokens that only look like receipts."""

import base64
import json
import string
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import ReceiptInvalid
from storage.evidence.keys import key_id
from storage.evidence.receipts import (
    TYPE,
    Receipt,
    verify,
)
from tests.support.receipt_verifier import tree_hash

VECTOR: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("unit/vectors/receipt.json").read_text()
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR["seed"]))
PUBLIC = KEY.public_key()
KID = key_id(PUBLIC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ISSUED = datetime.fromisoformat(VECTOR["issued_at"])
TOKENS: list[str] = VECTOR["tokens"]
PAYLOADS: list[dict[str, Any]] = VECTOR["payloads"]
ROOT: dict[str, Any] = VECTOR["root"]
RECEIPTS = [Receipt.model_validate(payload) for payload in PAYLOADS]
RECEIPT, PAYLOAD, TOKEN = RECEIPTS[0], PAYLOADS[0], TOKENS[0]
BASE64URL = string.ascii_letters + string.digits + "-_"


def b64(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def canonical(value: object) -> bytes:
    """Return canonical JSON, implemented independently."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def header(**changes: object) -> bytes:
    """Return a valid header with changes. None leaves a field out."""
    fields = {"alg": "EdDSA", "kid": KID, "typ": TYPE} | changes
    return canonical({name: value for name, value in fields.items() if value is not None})


def signed(root: bytes, head: bytes | None = None, key: Ed25519PrivateKey = KEY) -> str:
    """Return a JWS over any root, signed with the right key."""
    message = f"{b64(header() if head is None else head)}.{b64(root)}"
    return f"{message}.{b64(key.sign(message.encode()))}"


def alone(text: bytes, **root: object) -> str:
    """Any text, rightly signed as the only one of a tree; ``root`` changes what is signed."""
    said = ROOT | {"size": 1, "root": tree_hash([text]).hex()} | root
    return "~".join((signed(canonical(said)), b64(text), b64(canonical({"index": 0, "path": []}))))


def assert_invalid(token: str) -> None:
    """No key makes a receipt of the token, and the error says why."""
    for keys in (PUBLIC, {KID: PUBLIC}):
        with pytest.raises(ReceiptInvalid) as caught:
            verify(token, keys)
        assert caught.value.__cause__ is not None


def assert_refused(token: str) -> None:
    """The same where many are tried."""
    with pytest.raises(ReceiptInvalid):
        verify(token, PUBLIC)
