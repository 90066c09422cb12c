"""Proofs that an entry is in a log, to be verified offline (c2sp.org/tlog-proof)."""

import base64
import re
from dataclasses import dataclass
from typing import Final, Self

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.checkpoints import (
    MOST_ENTRIES,
    Checkpoint,
    Opened,
    Trust,
    open_checkpoint,
)
from storage.tlog.merkle import inclusion_path, leaf_hash, root_from
from storage.tlog.notes import MOST_NOTE, parse_note
from storage.tlog.tiles import HASH
from storage.tlog.tree import Read, stored_ranges
from storage.tlog.verifiers import decode_base64

MOST_PROOF: Final = 2 * MOST_NOTE
"""How many bytes a proof may have."""

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = MOST_ENTRIES.bit_length()
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """The index of an entry, its inclusion path, and a signed checkpoint.

    ``extra`` comes from whoever made the proof and is not authenticated.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """Return the proof as it is sent, in a file ``*.tlog-proof``."""
        lines = [_HEADER]
        if self.extra:
            lines.append(f"extra {_base64(self.extra)}")
        lines += [f"index {self.index}", *map(_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof; verify nothing. Raises LogInvalid if it is not one, or above 512 KiB."""
        if len(data) > MOST_PROOF:
            raise _no_proof("it is larger than 512 KiB")
        head, blank, checkpoint = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise _no_proof("it is not ASCII above the checkpoint") from error
        if first != _HEADER or not blank:
            raise _no_proof(f"it does not begin with {_HEADER}, or has no checkpoint")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _decoded(lines.pop(0).removeprefix("extra "))
            if not extra:
                raise _no_proof("its extra data is empty")
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None or int(index[1]) >= MOST_ENTRIES:
            raise _no_proof("it has no index")
        if len(lines) > _MOST_HASHES:
            raise _no_proof(f"it has more than {_MOST_HASHES} hashes")
        path = tuple(map(_decoded, lines))
        if any(len(each) != HASH for each in path):
            raise _no_proof("a hash has not 32 bytes")
        return cls(int(index[1]), path, checkpoint, extra)


def prove(read: Read, checkpoint: bytes, index: int) -> Proof:
    """Prove that the entry at ``index`` is in a log, by its tiles and a signed checkpoint.

    Raises InvalidRequest if the tree has no such entry, LogInvalid if the tiles do not have the
    root hash of the checkpoint.
    """
    tree = Checkpoint.parse(parse_note(checkpoint).text)
    if not 0 <= index < tree.size:
        raise InvalidRequest(
            f"The log has no entry {index}: its checkpoint has {tree.size}.",
            advice="Wait for a checkpoint that covers the entry.",
        )
    ranges = stored_ranges(read, tree.size)
    path = inclusion_path(ranges, index, tree.size)
    if root_from(ranges(index, index + 1), index, tree.size, path) != tree.root:
        raise LogInvalid(
            f"The tiles above entry {index} do not have the root hash of the checkpoint."
        )
    return Proof(index, tuple(path), checkpoint)


def verify_proof(proof: Proof, entry: bytes, trust: Trust) -> Opened:
    """Return the verified checkpoint of a proof, if it proves that this entry is in the log.

    Raises LogInvalid if the checkpoint is not signed as is required, or the entry is not at that
    index of its tree.
    """
    opened = open_checkpoint(proof.checkpoint, trust)
    tree = opened.checkpoint
    try:
        root = root_from(leaf_hash(entry), proof.index, tree.size, proof.path)
    except ValueError as error:
        raise _not_in(proof, tree) from error
    if root != tree.root:
        raise _not_in(proof, tree)
    return opened


def _decoded(line: str) -> bytes:
    try:
        return decode_base64(line)
    except ValueError as error:
        raise _no_proof("a line of it is not in base64") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _not_in(proof: Proof, tree: Checkpoint) -> LogInvalid:
    return LogInvalid(
        f"This entry is not entry {proof.index} of the {tree.size} in {tree.origin}.",
        advice="Check that entry and proof belong together. If they do, the proof was changed.",
    )


def _no_proof(why: str) -> LogInvalid:
    return LogInvalid(
        f"This is no proof of an entry in a log: {why}.",
        advice="Ask for the whole proof, without changes.",
    )
