"""Manifests: what a run of training was given, under which consent, signed like a receipt.

A manifest is lines of text: one for each record, in the order in which they were handed out, then
one that is signed. A line is canonical JSON: the record's id, its class, the SHA-256 of its body,
when it was handed out, and the statement and the wording by which it was consented to (null where
its epoch asks for none). The signed line is a JSON Web Signature in compact form with Ed25519, as a
receipt begins with, over the SHA-256 of the lines before it, each with its line feed.

Several reads of a run follow each other in one text. Anyone with the public key can check them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import jwt
from pydantic import Field

from regions.fields import Name
from storage.errors import ReceiptInvalid
from storage.evidence.receipts import Digest, Moment, PublicKeys, Signed, open_signed
from storage.model import RecordId

MANIFEST: Final = "domicile-training+jwt"


class Manifest(Signed):
    """What is signed. ``read``: one reading of one tenant. ``entries``: SHA-256 of the lines."""

    format: Literal[1] = 1
    region: Name
    tenant: str = Field(min_length=1)
    run: str = Field(min_length=1)
    read: UUID
    actor: str
    began: Moment
    ended: Moment
    records: int = Field(ge=0)
    entries: Digest
    topology: Digest


def entry_of(
    record: RecordId, sha256: str, *, at: datetime, statement: UUID | None, wording: str | None
) -> str:
    """Return the line about a record that is handed out. ``sha256``: of its body."""
    stated = {
        "record": str(record),
        "class": record.data_class.value,
        "sha256": sha256,
        "at": at.isoformat(),
        "consent": None if statement is None else str(statement),
        "wording": wording,
    }
    return json.dumps(stated, sort_keys=True, separators=(",", ":"))


def verify_manifests(lines: Iterable[str], public_keys: PublicKeys) -> Iterator[Manifest]:
    """Yield what each signed line states, if one of the keys signed exactly the lines before it.

    Reads one line after the other. Raises ReceiptInvalid.
    """
    digest, count = hashlib.sha256(), 0
    for line in lines:
        text = line.rstrip("\n")
        if text.startswith("{"):
            digest.update(f"{text}\n".encode())
            count += 1
            continue
        try:
            manifest = open_signed(text, public_keys, Manifest, kind=MANIFEST)
        except KeyError as error:
            raise ReceiptInvalid("The key that signed the manifest is not known.") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise ReceiptInvalid("A signed line is not what its key signed.") from error
        if (manifest.entries, manifest.records) != (digest.hexdigest(), count):
            raise ReceiptInvalid("The lines are not those that were signed.")
        yield manifest
        digest, count = hashlib.sha256(), 0
    if count:
        raise ReceiptInvalid("The last lines are not signed: the manifest is cut off.")
