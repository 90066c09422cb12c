"""Logs for tests: keys, a log that grows in memory, and its files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.tlog.checkpoints import Checkpoint, Trust, cosign_checkpoint, sign_checkpoint
from storage.tlog.tree import Edge, append
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier

ORIGIN = "domicile.example/eu-central-1"
WITNESS = "witness.example/w1"


def key(name: str) -> Ed25519PrivateKey:
    """Return always the same key for a name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def verifier(name: str, kind: int) -> Verifier:
    """Return what verifies the signatures of the key of that name."""
    return Verifier(name, kind, key(name).public_key().public_bytes_raw())


LOG = verifier(ORIGIN, ED25519)
WITNESSES = tuple(verifier(f"witness.example/w{n}", COSIGNATURE) for n in (1, 2, 3))
TRUST = Trust((LOG,), WITNESSES[:1], required=1)


@dataclass
class MemoryLog:
    """A log and its files, by their paths."""

    origin: str = ORIGIN
    edge: Edge = field(default_factory=Edge)
    files: dict[str, bytes] = field(default_factory=dict)
    reads: int = 0

    def grow(self, entries: Sequence[bytes]) -> "MemoryLog":
        """Append entries, write the tiles, then sign and cosign a checkpoint."""
        self.edge, written = append(self.edge, entries)
        self.files |= {tile.path: data for tile, data in written}
        signed = sign_checkpoint(self.checkpoint, key(self.origin))
        self.files["checkpoint"] = cosign_checkpoint(signed, WITNESS, key(WITNESS), seconds=1)
        return self

    @property
    def checkpoint(self) -> Checkpoint:
        """Return what its last checkpoint says."""
        return Checkpoint(self.origin, self.edge.size, self.edge.root)

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        self.reads += 1
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def export(self, folder: Path) -> Path:
        """Write its files to a folder."""
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


def numbered(start: int, stop: int) -> list[bytes]:
    """Return entries that all differ."""
    return [b"%d" % n for n in range(start, stop)]
