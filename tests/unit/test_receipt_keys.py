"""The public keys that check receipts, as they are handed over."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import KeySet, OKPKey

from storage.errors import InvalidRequest
from storage.evidence.keys import (
    PublishedKey,
    export_jwk_set,
    export_pem,
    import_public_keys,
    key_id,
)

VECTOR: dict[str, Any] = json.loads(
    Path(__file__).with_name("vectors").joinpath("receipt.json").read_text()
)
PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR["seed"])).public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
NAMED = {key_id(key): key for key in (PUBLIC, OTHER)}
NOW = datetime(2026, 3, 1, tzinfo=UTC)
JWKS = export_jwk_set([PublishedKey(OTHER, 2, None, None), PublishedKey(PUBLIC, 1, NOW, NOW)])


def as_text(document: object) -> str:
    """JSON as the command line prints it."""
    return json.dumps(document, default=str, indent=2)


def test_key_id_is_the_published_thumbprint() -> None:
    """The key of RFC 8037, appendix A, has the thumbprint printed there."""
    assert key_id(PUBLIC) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key_id(PUBLIC) == OKPKey.import_key(VECTOR["public_key"]).thumbprint()


def test_pem_comes_back() -> None:
    """An exported key is the one in the vector; several may stand in one file."""
    assert export_pem(PUBLIC) == VECTOR["public_key"]
    assert import_public_keys(VECTOR["public_key"]) == {key_id(PUBLIC): PUBLIC}
    assert import_public_keys(f"\n{export_pem(OTHER)}\n\n{export_pem(PUBLIC)}") == NAMED


def test_a_jwk_set_comes_back() -> None:
    """Every key, by the name that receipts give it."""
    assert import_public_keys(as_text(JWKS)) == NAMED


def test_a_second_implementation_reads_the_jwk_set() -> None:
    """With our names for the keys, which are their thumbprints, and what else we say of them."""
    read = KeySet.import_key_set(json.loads(as_text(JWKS)))

    assert {key.kid: key.thumbprint() for key in read.keys} == {name: name for name in NAMED}
    assert [key.as_pem(private=False).decode() for key in read.keys if isinstance(key, OKPKey)] == [
        export_pem(OTHER),
        export_pem(PUBLIC),
    ]


def test_keys_of_other_types_are_passed_over() -> None:
    """RFC 7517, section 5; but a set must have one that verifies receipts."""
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    keys = export_jwk_set([PublishedKey(PUBLIC, 1, None, None)])["keys"]
    assert isinstance(keys, list)

    assert import_public_keys(as_text({"keys": [rsa, *keys]})) == {key_id(PUBLIC): PUBLIC}
    with pytest.raises(InvalidRequest):
        import_public_keys(as_text({"keys": [rsa]}))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": []},
        {"keys": [7]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 42 + "B"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 44}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": 7}]},
    ],
)
def test_anything_else_is_no_jwk_set(document: object) -> None:
    """A key that is broken is refused, not passed over."""
    with pytest.raises(InvalidRequest, match="JWK set"):
        import_public_keys(as_text(document))


def test_anything_else_is_no_public_key() -> None:
    """No key, a broken one, or one of another kind is refused with advice."""
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ed448 = Ed448PrivateKey.generate().public_key().public_bytes(*form).decode()
    rsa = generate_private_key(65537, 2048).public_key().public_bytes(*form).decode()
    der = base64.b64encode(PUBLIC.public_bytes(Encoding.DER, form[1]).replace(b"+ep", b"+e~"))
    unknown = f"-----BEGIN PUBLIC KEY-----\n{der.decode()}\n-----END PUBLIC KEY-----\n"
    pem = VECTOR["public_key"]
    bad = [ed448, rsa, unknown, "", "é\ud800", VECTOR["tokens"][0], pem[:60], pem + "x", "{", "[]"]
    for text in [*bad, pem + rsa, "{" * 100_000, '{"keys":' + "[" * 100_000]:
        with pytest.raises(InvalidRequest, match="BEGIN PUBLIC KEY"):
            import_public_keys(text)
