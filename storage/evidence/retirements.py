"""Statements: signed evidence that a region was retired, and that nothing is left in it.

Like the statement of an emptied backend, with a type of its own.
"""

from typing import Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, model_validator

from regions.fields import Located, Name
from storage.evidence.departures import opened
from storage.evidence.receipts import Digest, Moment, PublicKeys, Signed, sign_compact
from storage.ports import ItemKind

REGION_STATEMENT: Final = "domicile-retirement+jwt"


class Emptied(Signed):
    """One backend, whose whole listing showed a control and nothing else at ``absent_at``.

    The listing shows the kinds in ``seen``; of those in ``attested`` a person attests that they are
    off, or that the storage that had them is lost.
    """

    backend: Name
    sub_processor: Name
    located: Located
    absent_at: Moment
    seen: tuple[ItemKind, ...]
    attested: tuple[ItemKind, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.seen and not self.attested:
            raise ValueError("it says of nothing that it is gone")
        return self


class RegionStatement(Signed):
    """One region that takes no tenant since ``begun``, and was empty at ``ended``.

    It had no tenant any more, no record, no open erasure, no hold in force, and no copy at a
    processor that was not confirmed to be gone. ``receipts`` and ``statements``: the evidence of
    its erasures and emptied backends, all of it exported. ``entries``: the number of the last entry
    of its ledger, and ``head`` its SHA-256; 0 and None if it never had one. ``topology``: SHA-256
    of the topology.
    """

    format: Literal[1] = 1
    region: Name
    jurisdiction: str = Field(min_length=1)
    backends: tuple[Emptied, ...]
    begun: Moment
    ended: Moment
    receipts: int = Field(ge=0)
    statements: int = Field(ge=0)
    entries: int = Field(ge=0)
    head: Digest | None
    topology: Digest

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not all(self.begun <= each.absent_at <= self.ended for each in self.backends):
            raise ValueError("a backend was empty before the end began, or after it")
        return self


def sign_region(statement: RegionStatement, signing_key: Ed25519PrivateKey) -> str:
    """Sign a statement. Return one line."""
    return sign_compact(statement, signing_key, kind=REGION_STATEMENT)


def verify_region(token: str, public_keys: PublicKeys) -> RegionStatement:
    """Return the statement, if one of the keys signed exactly this token.

    Raises ReceiptInvalid otherwise; its cause says why.
    """
    return opened(token, public_keys, RegionStatement, kind=REGION_STATEMENT)
