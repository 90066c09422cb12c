"""Checkpoints: what a log states about its tree, signed, and cosigned by witnesses.

The formats are those of c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature.
"""

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.merkle import EMPTY_ROOT, roots_from
from storage.tlog.notes import Note, cosign, parse_note, sign, verify_note
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier, decode_base64, is_name

MOST_ENTRIES = 2**63 - 1
"""How many entries a log has at most."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How many entries a log has, and the root hash of their tree. ``origin`` names the log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint. Raises LogInvalid if it is none, or has more lines."""
        origin, *rest = text.removesuffix("\n").split("\n")
        if not is_name(origin):
            raise _no_checkpoint("its first line does not name a log")
        if len(rest) != 2:
            raise _no_checkpoint("it has not three lines")
        if not _SIZE.fullmatch(rest[0]) or int(rest[0]) > MOST_ENTRIES:
            raise _no_checkpoint("its second line is no number of entries")
        try:
            root = decode_base64(rest[1])
        except ValueError as error:
            raise _no_checkpoint("its third line is not in base64") from error
        if len(root) != len(EMPTY_ROOT):
            raise _no_checkpoint("its third line is no hash of 32 bytes")
        return cls(origin, int(rest[0]), root)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are relied on: the keys of one log, and witnesses.

    A log has one key, or several while it changes it; they have one name, which is the origin of
    its checkpoints. ``required`` of the witnesses must have cosigned. Raises InvalidRequest if
    that cannot be met, or if one key would count twice.
    """

    log: tuple[Verifier, ...]
    witnesses: tuple[Verifier, ...] = ()
    required: int = 0

    def __post_init__(self) -> None:
        """Refuse what could never be met, or would be met too easily."""
        public = [each.public for each in (*self.log, *self.witnesses)]
        if len({each.name for each in self.log}) != 1:
            raise _no_trust("The keys of a log have one name, and there is at least one.")
        if any(each.kind != ED25519 for each in self.log):
            raise _no_trust("A key of the log is that of a witness.")
        if any(each.kind != COSIGNATURE for each in self.witnesses):
            raise _no_trust("A key of a witness is that of a log.")
        if len(set(public)) < len(public):
            raise _no_trust("Two of the keys are the same, under one name or two.")
        if not 0 <= self.required <= len(self.witnesses):
            raise _no_trust(f"{self.required} of {len(self.witnesses)} witnesses cannot sign.")


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose signatures were verified, and when each witness cosigned it.

    The times are seconds since 1970, by the clock of the witness.
    """

    checkpoint: Checkpoint
    cosigned: Mapping[Verifier, int]


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """Return a checkpoint signed by its log, as a note."""
    signature = sign(checkpoint.text, checkpoint.origin, key)
    return Note(checkpoint.text, (signature,)).encode()


def cosign_checkpoint(data: bytes, name: str, key: Ed25519PrivateKey, *, seconds: int) -> bytes:
    """Return a signed checkpoint with the cosignature of one more witness.

    ``seconds`` is the time since 1970. The witness states that it saw no larger tree of this log,
    and none that contradicts: see ``verify_consistency`` before. Raises LogInvalid if it is no
    checkpoint.
    """
    note = parse_note(data)
    Checkpoint.parse(note.text)
    signature = cosign(note.text, name, key, seconds=seconds)
    return replace(note, signatures=(*note.signatures, signature)).encode()


def open_checkpoint(data: bytes, trust: Trust) -> Opened:
    """Return a checkpoint that the log signed, and enough witnesses.

    Raises LogInvalid if it is of another log, if a key that is relied on signed something else, or
    if too few signed.
    """
    note = parse_note(data)
    checkpoint = Checkpoint.parse(note.text)
    origin = trust.log[0].name
    if checkpoint.origin != origin:
        raise _another_log(origin)
    signed = verify_note(note, (*trust.log, *trust.witnesses))
    cosigned = {who: seconds for who, seconds in signed.items() if seconds is not None}
    if len(cosigned) == len(signed):
        raise LogInvalid(f"The checkpoint is not signed by {origin}, only by witnesses.")
    if not enough(cosigned, trust.required):
        raise LogInvalid(
            f"The checkpoint is cosigned by {len(cosigned)} of the witnesses that are relied on, "
            f"and {trust.required} are required.",
            advice="Get it again later, when more witnesses have signed.",
        )
    return Opened(checkpoint, cosigned)


def enough(witnesses: Collection[Verifier], required: int) -> bool:
    """Tell whether that many witnesses are among these: one key counts once, whatever its names."""
    return len({witness.public for witness in witnesses}) >= required


def check_succession(old: Checkpoint, new: Checkpoint) -> None:
    """Refuse a checkpoint that cannot come after an old one, whatever the tiles say.

    Raises LogInvalid: it is of another log, the log was truncated, or it was forked.
    """
    if new.origin != old.origin:
        raise _another_log(old.origin)
    if new.size < old.size:
        raise LogInvalid(f"The log was truncated: it has {new.size} entries, and had {old.size}.")
    if old.size == 0 and old.root != EMPTY_ROOT:
        raise LogInvalid("The old checkpoint has no entries, and a root hash.")
    if new.size == old.size and new.root != old.root:
        raise _forked(old)


def verify_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """Verify by a consistency path that a log only grew since an old checkpoint.

    Raises LogInvalid: it is of another log, the log was truncated, or it was forked.
    """
    check_succession(old, new)
    if old.size == 0:
        if path:
            raise _forked(old)
        return
    try:
        roots = roots_from(old.root, old.size, new.size, path)
    except ValueError as error:
        raise _forked(old) from error
    if roots != (old.root, new.root):
        raise _forked(old)


def _another_log(expected: str) -> LogInvalid:
    return LogInvalid(
        f"This is another log, not {expected}.",
        advice="Use the address, the verifier key and the checkpoints of one log.",
    )


def _forked(old: Checkpoint) -> LogInvalid:
    return LogInvalid(
        f"The log was forked: its first {old.size} entries are not those of the old checkpoint.",
        advice="Keep both checkpoints: together they prove that the log showed two histories.",
    )


def _no_checkpoint(why: str) -> LogInvalid:
    return LogInvalid(f"This is no checkpoint of a log: {why}.")


def _no_trust(why: str) -> InvalidRequest:
    return InvalidRequest(why, advice="Give each key once, as a log's or as a witness's.")
