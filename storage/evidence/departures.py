"""Statements: signed evidence that a backend was emptied.

A statement is a JSON Web Signature in compact form (RFC 7515) with Ed25519 over canonical JSON, by
the key that signs receipts. Its type tells it from the root of a tree of receipts.
"""

from typing import Final, Literal, Self, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, model_validator

from regions.fields import Located, Name
from storage.errors import ReceiptInvalid
from storage.evidence.receipts import (
    Digest,
    Moment,
    PublicKeys,
    Signed,
    open_signed,
    sign_compact,
)
from storage.ports import ItemKind

STATEMENT: Final = "domicile-departure+jwt"

_M = TypeVar("_M", bound=Signed)


class Statement(Signed):
    """One backend that was emptied since ``begun``, and seen empty at ``absent_at``.

    ``replicas`` were purged and each was seen absent; ``bytes``: the sizes of their objects. Then a
    listing of the whole backend showed nothing of the kinds in ``seen``; of those in ``attested`` a
    person attests that they are off, or that the storage that had them is lost. ``topology``:
    SHA-256 of the topology.
    """

    format: Literal[1] = 1
    region: Name
    backend: Name
    sub_processor: Name
    located: Located
    topology: Digest
    begun: Moment
    replicas: int = Field(ge=0)
    bytes: int = Field(ge=0)
    absent_at: Moment
    seen: tuple[ItemKind, ...]
    attested: tuple[ItemKind, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.absent_at < self.begun:
            raise ValueError("it was empty before it was to be emptied")
        if not self.seen and not self.attested:
            raise ValueError("it says of nothing that it is gone")
        return self


def sign_statement(statement: Statement, signing_key: Ed25519PrivateKey) -> str:
    """Sign a statement. Return one line."""
    return sign_compact(statement, signing_key, kind=STATEMENT)


def verify_statement(token: str, public_keys: PublicKeys) -> Statement:
    """Return the statement, if one of the keys signed exactly this token.

    Raises ReceiptInvalid otherwise; its cause says why.
    """
    return opened(token, public_keys, Statement, kind=STATEMENT)


def opened(token: str, public_keys: PublicKeys, model: type[_M], *, kind: str) -> _M:
    """Return a statement of any type. Raises ReceiptInvalid, as ``verify_statement``."""
    try:
        return open_signed(token, public_keys, model, kind=kind)
    except KeyError as error:
        raise ReceiptInvalid("The key that signed the statement is not known.") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise ReceiptInvalid from error
