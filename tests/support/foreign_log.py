"""A second verifier of logs, from the C2SP specifications and RFC 6962, not from our code.

It builds all tiles anew from the entries, and compares them with the files.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """The log is not what it should be."""


def demand(condition: object, what: str) -> None:
    """Raise Wrong unless that holds."""
    if not condition:
        raise Wrong(what)


def mth(hashes: Sequence[bytes]) -> bytes:
    """Return MTH as RFC 6962, section 2.1, defines it, of leaves that are hashed already."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def opened(note: bytes, vkeys: Sequence[str]) -> tuple[str, set[str]]:
    """Return the text of a note, and which of the verifier keys signed it."""
    form = r"([^\x00-\x09\x0b-\x1f]*\n)\n((?:\u2014 [^\s+]+ [A-Za-z0-9+/=]+\n)+)"
    parts = re.fullmatch(form, note.decode())
    if parts is None:
        raise Wrong("not a note")
    signers = set()
    for line in parts[2].splitlines():
        _, name, encoded = line.split(" ")
        signature = base64.b64decode(encoded)
        demand(base64.b64encode(signature).decode() == encoded, "base64")
        for vkey in vkeys:
            key_name, key_id, text = vkey.split("+", 2)
            key = base64.b64decode(text)
            demand(key_id == hashlib.sha256(f"{key_name}\n".encode() + key).hexdigest()[:8], "id")
            if (name, signature[:4].hex()) != (key_name, key_id):
                continue
            message, raw = parts[1], signature[4:]
            if key[0] == 4:
                time, raw = int.from_bytes(raw[:8], "big"), raw[8:]
                message = f"cosignature/v1\ntime {time}\n{message}"
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw, message.encode())
            except InvalidSignature:
                raise Wrong("signature") from None
            signers.add(vkey)
    return parts[1], signers


def read(folder: Path, kind: str, index: int, width: int) -> bytes:
    """Return the bytes of a tile or a bundle."""
    digits = str(index).zfill(3 * (1 + (len(str(index)) - 1) // 3))
    name = re.sub(r"(\d{3})(?=\d)", r"x\1/", digits)
    path = folder / "tile" / kind / (name if width == 256 else f"{name}.p/{width}")
    demand(path.exists(), f"{path} is missing")
    return path.read_bytes()


def verify(
    folder: Path, vkeys: Sequence[str], old: tuple[str, int, bytes] | None = None
) -> tuple[str, int, bytes]:
    """Return origin, size and root of a log that all the keys signed and that extends ``old``."""
    text, signers = opened((folder / "checkpoint").read_bytes(), vkeys)
    demand(signers == set(vkeys), "not all have signed")
    origin, number, root, _ = text.split("\n")
    size, row = int(number), []
    for start in range(0, size, 256):
        width = min(256, size - start)
        data = read(folder, "entries", start // 256, width)
        for _ in range(width):
            length, data = int.from_bytes(data[:2], "big"), data[2:]
            demand(len(data) >= length, "short bundle")
            row.append(hashlib.sha256(b"\x00" + data[:length]).digest())
            data = data[length:]
        demand(data == b"", "long bundle")
    now = (origin, size, mth(row))
    demand(base64.b64encode(now[2]).decode() == root, "root")
    if old is not None:
        demand(old == (origin, old[1], mth(row[: old[1]])) and old[1] <= size, "not the same log")
    for level in range(8):
        tiles = [row[n : n + 256] for n in range(0, len(row), 256)]
        for index, tile in enumerate(tiles):
            found = read(folder, str(level), index, len(tile))
            demand(found == b"".join(tile), f"tile {level} {index}")
        row = [mth(tile) for tile in tiles if len(tile) == 256]
    return now
