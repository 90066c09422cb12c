"""Who signs notes: names, key ids and verifier keys (c2sp.org/signed-note, tlog-cosignature).

Of the types of signatures there are two: Ed25519, with which a log signs, and timestamped Ed25519,
with which a witness cosigns.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.errors import InvalidRequest

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MOST_SECONDS: Final = 2**63 - 1
"""The latest time that a cosignature may state, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The public key of a log or a witness, with the name under which it signs.

    ``kind`` is the type of its signatures, ``public`` the 32 bytes of the key. Raises
    InvalidRequest if there can be no such key.
    """

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        """Refuse what would verify nothing."""
        if not is_name(self.name):
            raise _no_key("its name is empty, or has a space, a plus or a control character")
        if self.kind not in {ED25519, COSIGNATURE}:
            raise _no_key(f"signatures of type {self.kind:#04x} are not supported")
        if len(self.public) != 32:
            raise _no_key("an Ed25519 key has 32 bytes")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key in its text form, ``name+id+key``."""
        name, _, rest = vkey.partition("+")
        key_id, _, text = rest.partition("+")
        try:
            kind, *_ = key = decode_base64(text)
        except ValueError as error:
            raise _no_key("it is not NAME+ID+KEY with the key in base64") from error
        verifier = cls(name, kind, key[1:])
        if verifier.key_id.hex() != key_id:
            raise _no_key("its id is not that of its name and key")
        return verifier

    def __str__(self) -> str:
        key = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that name the key in a signature."""
        key = bytes([self.kind]) + self.public
        return hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]

    def verify(self, text: str, value: bytes) -> int | None:
        """Return the time of a cosignature in seconds since 1970; None for a plain signature.

        Raises ValueError if the key did not sign that text.
        """
        seconds, signed, signature = None, text.encode(), value
        if self.kind == COSIGNATURE:
            seconds, signature = int.from_bytes(value[:8]), value[8:]
            signed = cosigned(text, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except InvalidSignature as error:
            raise ValueError("the key did not sign this") from error
        return seconds


def cosigned(text: str, seconds: int) -> bytes:
    """Return what a witness signs. Raises ValueError for a time that no cosignature may state."""
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError("a cosignature cannot state that time")
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def is_name(text: str) -> bool:
    """Tell whether a key may have that name."""
    return text.split() == [text] and re.search(r"[\x00-\x1f+\ud800-\udfff]", text) is None


def decode_base64(text: str) -> bytes:
    """Decode base64 as it is written by an encoder. Raises ValueError for any other text."""
    data = base64.b64decode(text.encode(), validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not in canonical form")
    return data


def _no_key(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"This is no verifier key of a log or a witness: {why}.",
        advice="Ask who runs the log or the witness for its verifier key, and copy it whole.",
    )
