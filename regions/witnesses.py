"""The witnesses of a region's log, and the form of their keys."""

import base64
import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator

from regions.fields import Model, Name, SafeUrl

# Name, id, and the base64 of 0x04 with 32 bytes: an Ed25519 key that cosigns.
_VKEY = re.compile(r"([!-*,-~]+)\+([0-9a-f]{8})\+(B[A-P][A-Za-z0-9+/]{42})")


def _cosigner(vkey: str) -> str:
    found = _VKEY.fullmatch(vkey)
    if found is not None:
        name, key_id, key = found.groups()
        digest = hashlib.sha256(name.encode() + b"\n" + base64.b64decode(key))
        if digest.hexdigest()[:8] == key_id:
            return vkey
    raise ValueError("is no verifier key of a witness: NAME+ID+KEY of type 0x04, as it states it")


class WitnessSpec(Model):
    """Who cosigns the checkpoints of a region's log, and so sees that it only grows.

    It gets the name of the log, its size, and hashes of salted hashes. Nothing of a record, nor
    about one, goes there: so it may be anywhere, and is worth most with another company.
    """

    name: Name
    key: Annotated[str, AfterValidator(_cosigner)]  # c2sp.org/signed-note, tlog-cosignature
    url: SafeUrl  # the submission prefix of c2sp.org/tlog-witness
    required: bool = False  # staff sees no plaintext before it has cosigned

    @property
    def public(self) -> bytes:
        """Return the public key: 32 bytes."""
        return base64.b64decode(self.key[-44:])[1:]
