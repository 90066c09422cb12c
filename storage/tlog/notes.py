"""Signed notes: text with signatures below it (c2sp.org/signed-note).

Whoever sends a note may have made it to do harm, so it is read strictly: a note is refused unless
every byte of it is as the specification says. Its text means nothing before ``verify_note``.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier, cosigned, decode_base64, is_name

MOST_NOTE = 256 * 1024
"""How many bytes a note may have: enough for 16 signatures of the largest known kind."""

_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_ASK = "Ask the operator of the log for the whole text, without changes."


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note: who signed, as it claims, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures, which may be wrong."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note as it is sent. Raises ValueError or LogInvalid if it would not be one."""
        data = "\n".join([self.text, *map(str, self.signatures), ""]).encode()
        if parse_note(data) != self:
            raise ValueError("not a note")
        return data


def parse_note(data: bytes) -> Note:
    """Read a note; verify nothing. Raises LogInvalid if it is not one, or above 256 KiB."""
    if len(data) > MOST_NOTE:
        raise _no_note("it is larger than 256 KiB")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise _no_note("it is not UTF-8") from error
    if _CONTROL.search(whole):
        raise _no_note("it has a control character")
    text, blank, below = whole.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise _no_note("it has no signatures after an empty line")
    return Note(text + "\n", tuple(map(_signature, below[:-1].split("\n"))))


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Signature:
    """Sign the text of a note."""
    verifier = Verifier(name, ED25519, key.public_key().public_bytes_raw())
    return Signature(name, verifier.key_id, key.sign(text.encode()))


def cosign(text: str, name: str, key: Ed25519PrivateKey, *, seconds: int) -> Signature:
    """Sign the text of a checkpoint as a witness, who saw it at that time (seconds since 1970)."""
    verifier = Verifier(name, COSIGNATURE, key.public_key().public_bytes_raw())
    signature = key.sign(cosigned(text, seconds))
    return Signature(name, verifier.key_id, seconds.to_bytes(8) + signature)


def verify_note(note: Note, verifiers: Collection[Verifier]) -> dict[Verifier, int | None]:
    """Return who of these signed, with the time of each cosignature (None for a signature).

    Ignores signatures of anybody else. Raises LogInvalid if one of these signed something else or
    twice, or if none signed; InvalidRequest if two of the keys cannot be told apart.
    """
    known = {(each.name, each.key_id): each for each in verifiers}
    if len(known) < len(set(verifiers)):
        raise InvalidRequest(
            "Two different keys have the same name and id.",
            advice="Ask one of the two for another key.",
        )
    signed: dict[Verifier, int | None] = {}
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if verifier in signed:
            raise LogInvalid(f"{verifier.name} signed the text twice with the same key.")
        try:
            signed[verifier] = verifier.verify(note.text, signature.value)
        except ValueError as error:
            raise LogInvalid(
                f"The text is not what {verifier.name} signed, or the signature was changed."
            ) from error
    if not signed:
        raise LogInvalid(
            "Nobody signed the text whose key is known here.",
            advice="Check that the verifier keys are those of this log. "
            "If they are, the text is not from it.",
        )
    return signed


def _signature(line: str) -> Signature:
    name, _, text = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not is_name(name):
        raise _no_note("a line below the text is no signature")
    try:
        value = decode_base64(text)
    except ValueError as error:
        raise _no_note("a signature is not in base64") from error
    if len(value) <= 4:
        raise _no_note("a signature is too short")
    return Signature(name, value[:4], value[4:])


def _no_note(why: str) -> LogInvalid:
    return LogInvalid(f"This is no signed note: {why}.", advice=_ASK)
