"""Receipts: signed evidence of what was erased, when, and where it was seen to be absent.

A receipt is one line of three parts, separated by ``~``:

- a JSON Web Signature in compact form (RFC 7515) with Ed25519 (``EdDSA``, RFC 8037) over the root
  of a Merkle tree (RFC 9162): region, number of receipts, root hash, time;
- the receipt itself, which is one leaf of the tree;
- the proof: its index among the leaves, and its inclusion path.

Each part is canonical JSON (sorted keys, no spaces, UTF-8, times in UTC) in base64url. Anyone with
the public key can check a receipt, offline and with other software. It contains no content, no
pseudonym and no free text.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
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

from regions.fields import Located, Name
from storage.errors import ReceiptInvalid
from storage.evidence.keys import key_id
from storage.model import DataClass, Reason, ScopeKind, in_utc
from storage.ports import ItemKind
from storage.tlog.merkle import inclusion_path, leaf_hash, root_from, root_hash

TYPE: Final = "domicile-receipts+jwt"
_ALGORITHM: Final = "EdDSA"

Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
OpaqueId = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{16,64}\z")]
Digest = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]  # SHA-256
Check = Annotated[str, StringConstraints(pattern=r"\A[a-z_]{1,40}\z")]  # of a PostureCheck
PublicKeys = Mapping[str, Ed25519PublicKey] | Ed25519PublicKey


class Signed(BaseModel):
    """What is signed, or is under a signature: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PostureSeen(Signed):
    """What a bucket did with its objects apart from us: the findings that were not ``ok``."""

    read: Moment
    findings: dict[Check, Literal["bad", "unreadable", "attested"]]


class Leaf(Signed):
    """One object on one backend, and how it is known to be gone.

    ``how`` applies to all kinds in ``looked_for``: ``seen`` absent in a listing, or ``attested`` by
    a person, because the backend cannot list them, or the storage that had them is lost. So an
    object may have two leaves. ``located``: how it was known where the backend stands. ``control``:
    an object that was left there, and that the same pass saw listed. ``posture``: that of the
    bucket then, None for a backend that has none.
    """

    object: OpaqueId
    backend: Name
    sub_processor: Name
    located: Located | Literal["not-noted"]
    how: Literal["seen", "attested"]
    absent_at: Moment
    control: OpaqueId | Literal["not-noted"]
    posture: PostureSeen | None
    looked_for: tuple[ItemKind, ...] = Field(min_length=1)


class Acknowledgement(Signed):
    """One copy at a processor, and how it is known to be gone there since ``at``.

    ``acknowledged``: the processor signed it, and ``digest`` is the SHA-256 of what it signed;
    ``attested``: a person recorded it, with the SHA-256 of the processor's document.
    """

    copy_id: UUID
    processor: Name
    how: Literal["acknowledged", "attested"]
    at: Moment
    digest: Digest


class Deferral(Signed):
    """How many records a legal hold preserved, and from when until when."""

    hold: UUID
    records: int = Field(ge=1)
    since: Moment
    until: Moment


class LeftByLaw(Signed):
    """How many records of a class were not erased, because a law wants them kept (``floor``).

    They end by their own days, the last of which is ``until`` (None: they have none).
    """

    data_class: DataClass
    records: int = Field(ge=1)
    until: date | None
    reason: Literal["floor"]


def _nothing(value: object) -> bool:
    return value == ()


class Receipt(Signed):
    """One complete erasure in one region. All times are those of the region's database clock.

    ``unreadable_since``: since then no read returns plaintext. ``absent_since``: since then every
    byte is known to be absent. ``last_key_copy_gone_by``: the last backup with a key is gone.
    ``deleted`` counts records. ``topology``: the digest of the topology in force.
    A receipt that contradicts itself raises ValueError.
    """

    format: Literal[2] = 2
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
    # not stated if nothing was left: such a receipt is the same in versions that do not know it
    kept: tuple[LeftByLaw, ...] = Field(default=(), exclude_if=_nothing)
    issued_at: Moment
    topology: Digest

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times: list[datetime] = [self.requested, self.fenced, self.unreadable_since]
        times += [self.absent_since, self.issued_at]
        if times != sorted(times):
            raise ValueError("the times of a receipt are out of order")
        parts = [leaf.absent_at for leaf in self.leaves]
        parts += [acknowledged.at for acknowledged in self.processors]
        parts += [hold.until for hold in self.deferred]
        if any(moment > self.absent_since for moment in parts):
            raise ValueError("a part was absent later than everything was")
        if any(hold.since > hold.until for hold in self.deferred):
            raise ValueError("a hold ended before it began")
        return self


class _Header(Signed):
    """The header of a signature."""

    alg: str
    kid: str
    typ: str


class _Root(Signed):
    """What is signed: the root of a tree of ``size`` receipts."""

    format: Literal[2] = 2
    region: Name
    size: int = Field(ge=1, le=2**32)
    root: Digest
    issued_at: Moment


class _Proof(Signed):
    """The index of a receipt in the tree (from 0), and the hashes from it to the root."""

    index: int = Field(ge=0)
    path: tuple[Digest, ...]


_M = TypeVar("_M", bound=Signed)


def sign(
    receipts: Sequence[Receipt], signing_key: Ed25519PrivateKey, *, issued_at: datetime
) -> list[str]:
    """Sign receipts of one region under one signature; return a line for each, in order.

    Raises ValueError without receipts, and for one of another region or issued later.
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
    jws = sign_compact(root, signing_key, kind=TYPE)
    return [
        _joined(jws, receipt, _Proof(index=n, path=_path(leaves, n)))
        for n, receipt in enumerate(receipts)
    ]


def sign_compact(content: Signed, signing_key: Ed25519PrivateKey, *, kind: str) -> str:
    """Return a JWS in compact form over the canonical content, of that type."""
    return _jws().encode(
        _canonical(content),
        signing_key,
        algorithm=_ALGORITHM,
        headers={"typ": kind, "kid": key_id(signing_key.public_key())},
    )


def verify(token: str, public_keys: PublicKeys) -> Receipt:
    """Return the receipt, if one of the keys signed exactly this token.

    Of a mapping, the key named by ``kid`` is used; a single key is used whatever ``kid`` says.
    Raises ReceiptInvalid otherwise; its cause says why.
    """
    try:
        return _verified(token, public_keys)
    except KeyError as error:
        raise ReceiptInvalid("The key that signed the receipt is not known.") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise ReceiptInvalid from error


def signer(token: str) -> str:
    """Return the ``kid`` of a receipt: the key that it claims. ``verify`` the receipt first."""
    return str(_jws().get_unverified_header(token.split("~", maxsplit=1)[0]).get("kid"))


def claimed_type(text: str) -> str | None:
    """Return the type that a signed text claims to have, None if it is no such text."""
    try:
        return _read(text.split(".", maxsplit=1)[0], _Header).typ
    except ValueError:
        return None


def _verified(token: str, public_keys: PublicKeys) -> Receipt:
    jws, leaf, place = token.split("~")
    root = open_signed(jws, public_keys, _Root, kind=TYPE)
    receipt, proof = _read(leaf, Receipt), _read(place, _Proof)
    if token != _joined(jws, receipt, proof):
        raise ValueError("not in canonical form")
    _check_fits(receipt, root)
    path = [bytes.fromhex(digest) for digest in proof.path]
    if root_from(leaf_hash(_canonical(receipt)), proof.index, root.size, path).hex() != root.root:
        raise ValueError("the receipt is not in the signed tree")
    return receipt


def open_signed(jws: str, public_keys: PublicKeys, model: type[_M], *, kind: str) -> _M:
    """Return what one of the keys signed. Raises ValueError unless of that type and canonical."""
    kid = str(_jws().get_unverified_header(jws).get("kid"))
    key = public_keys[kid] if isinstance(public_keys, Mapping) else public_keys
    decoded = _jws().decode_complete(jws, key, algorithms=[_ALGORITHM])
    content = model.model_validate_json(decoded["payload"])
    header = _json({"alg": _ALGORITHM, "kid": kid, "typ": kind})
    exact = ".".join(_base64url(x) for x in (header, _canonical(content), decoded["signature"]))
    if jws != exact:
        raise ValueError("not in canonical form")
    return content


def _jws() -> jwt.PyJWS:
    return jwt.PyJWS(algorithms=[_ALGORITHM])


def _check_fits(receipt: Receipt, root: _Root) -> None:
    if receipt.region != root.region or receipt.issued_at > root.issued_at:
        raise ValueError("a receipt that cannot be under that root")


def _path(leaves: Sequence[bytes], index: int) -> tuple[str, ...]:
    path = inclusion_path(lambda start, stop: root_hash(leaves[start:stop]), index, len(leaves))
    return tuple(node.hex() for node in path)


def _joined(jws: str, receipt: Receipt, proof: _Proof) -> str:
    """Return the canonical line: base64url and JSON can write the same value in many ways."""
    return "~".join((jws, _base64url(_canonical(receipt)), _base64url(_canonical(proof))))


def _read(part: str, model: type[_M]) -> _M:
    return model.model_validate_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _canonical(signed: Signed) -> bytes:
    return _json(signed.model_dump(mode="json"))


def _json(value: Mapping[str, object]) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
