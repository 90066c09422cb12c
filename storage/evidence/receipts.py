"""Receipts: what was erased, when, and where it was seen to be absent, signed.

A receipt is one line of three parts with ``~`` in between:

- a JSON Web Signature in compact form (RFC 7515) with Ed25519 (``EdDSA``, RFC 8037) over the root
  of a Merkle tree (RFC 9162): region, number of receipts, root hash, time;
- the receipt itself, one of those that the tree was made of;
- its place among them, and its inclusion path.

All is canonical JSON (sorted keys, no spaces, UTF-8, times in UTC) in base64url. Anyone with the
public key can check it, offline and with other software. It holds no content, no pseudonym and no
free text. Format 1, a JWS over the receipt alone, is verified and no longer issued.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self, TypeVar
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from regions.fields import Name
from storage.errors import ReceiptInvalid
from storage.evidence.keys import key_id
from storage.evidence.merkle import inclusion_path, leaf_hash, root_from, root_hash
from storage.model import Reason, ScopeKind
from storage.ports import ItemKind

TYPE: Final = "domicile-receipts+jwt"
TYPE_1: Final = "domicile-receipt+jwt"
_ALGORITHM: Final = "EdDSA"
_SINCE_2: Final = {"processors", "deferred"}

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
OpaqueId = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{16,64}\z")]
Digest = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]  # SHA-256
PublicKeys = Mapping[str, Ed25519PublicKey] | Ed25519PublicKey


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
    looked_for: tuple[ItemKind, ...] = Field(min_length=1)


class Acknowledgement(_Signed):
    """One copy at a processor, and how it is known to be gone there since ``at``.

    ``acknowledged``: the processor signed it, and ``digest`` is the SHA-256 of what it signed;
    ``attested``: a person recorded it, with the SHA-256 of the processor's document.
    """

    copy_id: UUID
    processor: Name
    how: Literal["acknowledged", "attested"]
    at: Moment
    digest: Digest


class Deferral(_Signed):
    """How many records a legal hold kept from being destroyed, and from when until when."""

    hold: UUID
    records: int = Field(ge=1)
    since: Moment
    until: Moment


class Receipt(_Signed):
    """One erasure in one region, complete. All times are by the region's database clock.

    ``unreadable_since``: no read gives plaintext. ``absent_since``: the last byte was seen to be
    absent. ``last_key_copy_gone_by``: the last backup that holds a key is gone. ``deleted``: how
    many records. ``processors`` and ``deferred`` are of format 2. A receipt that contradicts
    itself cannot be made (ValueError).
    """

    format: Literal[1, 2] = 2
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
    processors: tuple[Acknowledgement, ...] = ()
    deferred: tuple[Deferral, ...] = ()
    issued_at: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times: list[datetime] = [self.requested, self.fenced, self.unreadable_since]
        times += [self.absent_since, self.issued_at]
        if times != sorted(times):
            raise ValueError("the times of a receipt are out of order")
        parts = [leaf.absent_at for leaf in self.leaves]
        parts += [said.at for said in self.processors]
        parts += [hold.until for hold in self.deferred]
        if any(moment > self.absent_since for moment in parts):
            raise ValueError("a part was absent later than everything was")
        if any(hold.since > hold.until for hold in self.deferred):
            raise ValueError("a hold ended before it began")
        return self


class _Root(_Signed):
    """What is signed: the root of a tree of so many receipts."""

    format: Literal[2] = 2
    region: Name
    size: int = Field(ge=1, le=2**32)
    root: Digest
    issued_at: Moment


class _Proof(_Signed):
    """Where in the tree a receipt is (from 0), and the hashes that lead from it to the root."""

    index: int = Field(ge=0)
    path: tuple[Digest, ...]


_M = TypeVar("_M", bound=_Signed)


def sign(
    receipts: Sequence[Receipt], signing_key: Ed25519PrivateKey, *, issued_at: datetime
) -> list[str]:
    """The receipts, of one region, under one signature: a line for each, in their order.

    Raises ValueError if there is none, or one of another region, another format, or of later.
    """
    leaves = [leaf_hash(_canonical(receipt)) for receipt in receipts]
    if not leaves:
        raise ValueError("nothing to sign")
    root = _Root(
        region=receipts[0].region,
        size=len(leaves),
        root=root_hash(leaves).hex(),
        issued_at=issued_at,
    )
    for receipt in receipts:
        _check_fits(receipt, root)
    jws = _jws().encode(
        _canonical(root),
        signing_key,
        algorithm=_ALGORITHM,
        headers={"typ": TYPE, "kid": key_id(signing_key.public_key())},
    )
    return [
        _joined(jws, receipt, _Proof(index=n, path=_path(leaves, n)))
        for n, receipt in enumerate(receipts)
    ]


def verify(token: str, public_keys: PublicKeys) -> Receipt:
    """What the receipt says, if one of the keys signed exactly this.

    Of a mapping the key named by ``kid`` is used; one key alone is used whatever ``kid`` says.
    Raises ReceiptInvalid on anything else; the cause says why.
    """
    try:
        return _verified(token, public_keys)
    except KeyError as error:
        raise ReceiptInvalid("The receipt was signed with a key that is not known.") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise ReceiptInvalid from error


def signer(token: str) -> str:
    """The name of the key that a receipt says it was signed with. ``verify`` it first."""
    return str(_jws().get_unverified_header(token.split("~", maxsplit=1)[0]).get("kid"))


def _verified(token: str, public_keys: PublicKeys) -> Receipt:
    jws, *rest = token.split("~")
    if not rest:
        return _of_format_1(jws, public_keys)
    root = _signed(jws, public_keys, TYPE, _Root)
    part, place = rest
    receipt, proof = _read(part, Receipt), _read(place, _Proof)
    if token != _joined(jws, receipt, proof):
        raise ValueError("not in canonical form")
    _check_fits(receipt, root)
    path = [bytes.fromhex(digest) for digest in proof.path]
    if root_from(leaf_hash(_canonical(receipt)), proof.index, root.size, path).hex() != root.root:
        raise ValueError("not in the tree whose root is signed")
    return receipt


def _of_format_1(jws: str, public_keys: PublicKeys) -> Receipt:
    receipt = _signed(jws, public_keys, TYPE_1, Receipt)
    if receipt.format != 1:
        raise ValueError("a receipt of this format is not signed alone")
    return receipt


def _signed(jws: str, public_keys: PublicKeys, kind: str, model: type[_M]) -> _M:
    """What a JWS says, if one of the keys signed it, and if it is in the only form it may have."""
    kid = str(_jws().get_unverified_header(jws).get("kid"))
    key = public_keys[kid] if isinstance(public_keys, Mapping) else public_keys
    decoded = _jws().decode_complete(jws, key, algorithms=[_ALGORITHM])
    said = model.model_validate_json(decoded["payload"])
    header = _json({"alg": _ALGORITHM, "kid": kid, "typ": kind})
    exact = ".".join(_base64url(x) for x in (header, _canonical(said), decoded["signature"]))
    if jws != exact:
        raise ValueError("not in canonical form")
    return said


def _jws() -> jwt.PyJWS:
    return jwt.PyJWS(algorithms=[_ALGORITHM])


def _check_fits(receipt: Receipt, root: _Root) -> None:
    fits = receipt.format == root.format and receipt.region == root.region
    if not fits or receipt.issued_at > root.issued_at:
        raise ValueError("a receipt that cannot be under that root")


def _path(leaves: Sequence[bytes], index: int) -> tuple[str, ...]:
    return tuple(node.hex() for node in inclusion_path(leaves, index))


def _joined(jws: str, receipt: Receipt, proof: _Proof) -> str:
    """The one line that says this. Base64url and JSON have many ways to say the same."""
    return "~".join((jws, _base64url(_canonical(receipt)), _base64url(_canonical(proof))))


def _read(part: str, model: type[_M]) -> _M:
    return model.model_validate_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _canonical(said: _Signed) -> bytes:
    former = isinstance(said, Receipt) and said.format == 1
    return _json(said.model_dump(mode="json", exclude=_SINCE_2 if former else None))


def _json(value: Mapping[str, object]) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
