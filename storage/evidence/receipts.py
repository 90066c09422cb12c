"""Receipts: what was erased, when, and where it was seen to be absent, signed.

A receipt is a JSON Web Signature in compact form (RFC 7515) with Ed25519 (``EdDSA``, RFC 8037)
over canonical JSON: sorted keys, no spaces, UTF-8, times in UTC. Anyone with the public key can
check it, offline and with other software. It holds no content, no pseudonym and no free text.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from regions.model import Name
from storage.errors import InvalidRequest, ReceiptInvalid
from storage.model import Reason, ScopeKind
from storage.ports import TraceKind

TYPE: Final = "domicile-receipt+jwt"
_ALGORITHM: Final = "EdDSA"

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
OpaqueId = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{16,64}\z")]


class _Signed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Leaf(_Signed):
    """One object on one backend, and how it is known to be gone.

    ``how`` speaks of all kinds in ``looked_for``: ``seen`` absent by a listing, or ``attested``
    by a human because the backend cannot show them. An object may so have two leaves.
    """

    object: OpaqueId
    backend: Name
    sub_processor: Name
    how: Literal["seen", "attested"]
    absent_at: Moment
    looked_for: tuple[TraceKind, ...] = Field(min_length=1)


class Receipt(_Signed):
    """One erasure in one region, complete. All times are by the region's database clock.

    ``unreadable_since``: no read gives plaintext. ``absent_since``: the last byte was seen to be
    absent. ``last_key_copy_gone_by``: the last backup that holds a key is gone. ``deleted``: how
    many records. A receipt that contradicts itself cannot be made (ValueError).
    """

    format: Literal[1] = 1
    erasure: UUID
    region: Name
    tenant: str = Field(min_length=1)
    scope: ScopeKind
    reason: Reason
    requested: Moment
    fenced: Moment
    unreadable_since: Moment
    absent_since: Moment
    last_key_copy_gone_by: Moment
    deleted: int = Field(ge=0)
    leaves: tuple[Leaf, ...]
    issued_at: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times: list[datetime] = [self.requested, self.fenced, self.unreadable_since]
        times += [self.absent_since, self.issued_at]
        if times != sorted(times):
            raise ValueError("the times of a receipt are out of order")
        if any(leaf.absent_at > self.absent_since for leaf in self.leaves):
            raise ValueError("a leaf was absent later than everything was")
        return self


def sign(receipt: Receipt, signing_key: Ed25519PrivateKey, kid: str) -> str:
    """The receipt as a compact JWS. ``kid`` is the ``key_id`` of the signing key."""
    return jwt.PyJWS(algorithms=[_ALGORITHM]).encode(
        _canonical(receipt), signing_key, algorithm=_ALGORITHM, headers={"typ": TYPE, "kid": kid}
    )


def verify(token: str, public_keys: Mapping[str, Ed25519PublicKey] | Ed25519PublicKey) -> Receipt:
    """What the receipt says, if one of the keys signed exactly this token.

    Of a mapping the key named by ``kid`` is used; one key alone is used whatever ``kid`` says.
    Raises ReceiptInvalid on any other token; the cause says why.
    """
    try:
        jws = jwt.PyJWS(algorithms=[_ALGORITHM])
        kid = str(jws.get_unverified_header(token).get("kid"))
        key = public_keys[kid] if isinstance(public_keys, Mapping) else public_keys
        parts = jws.decode_complete(token, key, algorithms=[_ALGORITHM])
        receipt = Receipt.model_validate_json(parts["payload"])
        if token != _compact(receipt, kid, parts["signature"]):
            raise ValueError("not in canonical form")  # noqa: TRY301 - one cause among others
    except KeyError as error:
        raise ReceiptInvalid("The receipt was signed with a key that is not known.") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise ReceiptInvalid from error
    return receipt


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key: its thumbprint (RFC 7638, RFC 8037 appendix A.3)."""
    fields = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}
    return _base64url(hashlib.sha256(_json(fields)).digest())


def export_public_key(key: Ed25519PublicKey) -> str:
    """The key as PEM (SubjectPublicKeyInfo, RFC 8410), to give to whoever checks receipts."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def import_public_key(pem: str) -> Ed25519PublicKey:
    """The key from PEM. Raises InvalidRequest if it is anything else than an Ed25519 public key."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key()
    return key


def _not_a_key() -> InvalidRequest:
    return InvalidRequest(
        "That is not an Ed25519 public key in PEM.",
        advice="Ask who issued the receipt for it; it begins with -----BEGIN PUBLIC KEY-----.",
    )


def _compact(receipt: Receipt, kid: str, signature: bytes) -> str:
    """The one token that says this. Base64url and JSON have many ways to say the same."""
    header = _json({"alg": _ALGORITHM, "kid": kid, "typ": TYPE})
    return ".".join(_base64url(part) for part in (header, _canonical(receipt), signature))


def _canonical(receipt: Receipt) -> bytes:
    return _json(receipt.model_dump(mode="json"))


def _json(value: Mapping[str, object]) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
