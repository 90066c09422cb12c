"""What a log sends to a witness, and what it takes as an answer (c2sp.org/tlog-witness)."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from storage.errors import LogInvalid
from storage.tlog.checkpoints import MOST_ENTRIES
from storage.tlog.notes import parse_note, verify_note
from storage.tlog.verifiers import COSIGNATURE, Verifier

MOST_HASHES: Final = 63
"""How many hashes a consistency path to a witness has at most."""

_AHEAD: Final = 5 * 60  # seconds by which the clock of a witness may be ahead of ours
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


def encode_request(old_size: int, path: Sequence[bytes], checkpoint: str) -> bytes:
    """Return the body of ``add-checkpoint``: the consistency path from ``old_size``, and a note.

    Raises ValueError if no path between two trees has that many hashes.
    """
    if len(path) > MOST_HASHES:
        raise ValueError("a consistency path has at most 63 hashes")
    hashes = [base64.b64encode(each).decode() for each in path]
    return ("\n".join([f"old {old_size}", *hashes, "", ""]) + checkpoint).encode()


def read_size(body: bytes) -> int:
    """Return the size of the tree that a witness last cosigned, as its 409 has it.

    Raises LogInvalid if it is none.
    """
    match = _SIZE.fullmatch(body)
    if match is None or int(match[1]) > MOST_ENTRIES:
        raise LogInvalid("The answer of the witness is no size of a log.")
    return int(match[1])


def read_cosignature(body: bytes, checkpoint: str, witness: Verifier, *, now: int) -> str:
    """Return the line with the cosignature of a witness from what it answered, verified.

    ``checkpoint`` is the note that it was given, ``now`` the seconds since 1970. Lines of other
    keys are left out. Raises LogInvalid if the witness did not cosign this checkpoint, or states a
    time that has not come, or none.
    """
    assert witness.kind == COSIGNATURE
    text = parse_note(checkpoint.encode()).text
    note = parse_note(f"{text}\n".encode() + body)
    if note.text != text:
        raise LogInvalid("The answer of the witness has more than signatures.")
    seconds = verify_note(note, [witness])[witness]
    if not seconds:
        raise LogInvalid("The cosignature does not say when it was made.")
    if seconds > now + _AHEAD:
        raise LogInvalid(f"The cosignature is {seconds - now} seconds ahead of the time here.")
    its = (witness.name, witness.key_id)
    return next(f"{each}\n" for each in note.signatures if (each.name, each.key_id) == its)


def add_cosignature(checkpoint: str, line: str) -> str:
    """Return a note with one more line of ``read_cosignature``. Raises LogInvalid if it is none."""
    note = parse_note(checkpoint.encode())
    added = parse_note(f"{note.text}\n{line}".encode())
    signatures = (*note.signatures, *added.signatures)
    return replace(note, signatures=signatures).encode().decode()


def is_cosigned(checkpoint: str, line: str, witness: Verifier) -> bool:
    """Return whether a line is the cosignature of a witness on this checkpoint.

    A witness is its key: a line with its name and another key is not.
    """
    try:
        text = parse_note(checkpoint.encode()).text
        note = parse_note(f"{text}\n{line}".encode())
        return note.text == text and bool(verify_note(note, [witness]).get(witness))
    except LogInvalid:
        return False
