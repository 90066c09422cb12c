"""Drain receipts: signed evidence that a company has nothing of a region any more.

In the form of a statement (see ``departures``): a JSON Web Signature over canonical JSON.
"""

from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from regions.fields import Located, Name
from storage.evidence.departures import opened
from storage.evidence.receipts import (
    Digest,
    Moment,
    PublicKeys,
    Signed,
    sign_compact,
)
from storage.model.listing import PartKind
from storage.ports import ItemKind

DRAIN: Final = "domicile-drain+jwt"


class EmptiedBackend(Signed):
    """A backend of the company. ``statement``: SHA-256 of the signed statement that it is empty.

    ``attested``: the kinds that its listing did not show to be gone, as in the statement. A receipt
    leaves it out if there are none.
    """

    backend: Name
    located: Located
    replicas: int = Field(ge=0)
    bytes: int = Field(ge=0)
    statement: Digest
    attested: tuple[ItemKind, ...] = Field(default=(), exclude_if=lambda kinds: not kinds)


class HandedOver(Signed):
    """What the company ran for the region, and who attests that it does no more."""

    part: PartKind
    actor: str
    document: Digest
    at: Moment


class Drain(Signed):
    """A company that was drained from a region, and had no copy that is not confirmed to be gone.

    ``topology``: SHA-256 of the topology.
    """

    format: Literal[1] = 1
    region: Name
    sub_processor: Name
    topology: Digest
    backends: tuple[EmptiedBackend, ...] = ()
    handed_over: tuple[HandedOver, ...] = ()
    finished: Moment


def sign_drain(drain: Drain, signing_key: Ed25519PrivateKey) -> str:
    """Sign a drain receipt. Return one line."""
    return sign_compact(drain, signing_key, kind=DRAIN)


def verify_drain(token: str, public_keys: PublicKeys) -> Drain:
    """Return the drain receipt, if one of the keys signed exactly this token.

    Raises ReceiptInvalid otherwise; its cause says why.
    """
    return opened(token, public_keys, Drain, kind=DRAIN)
