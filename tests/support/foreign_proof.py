"""A second verifier of the proof of a line, from tlog-proof, RFC 9162 and the how-to alone."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from tests.support.foreign_log import demand, opened


def verify(file: Path, vkeys: Sequence[str]) -> tuple[int, str]:
    """Return the index and the text of a line that is in a log which all the keys signed."""
    head, _, note = file.read_bytes().partition(b"\n\n")
    first, extra, index, *hashes = head.decode().split("\n")
    demand(first == "c2sp.org/tlog-proof@v1", "no proof")
    demand(extra.startswith("extra ") and index.startswith("index "), "no line")
    text, signers = opened(note, vkeys)
    demand(signers == set(vkeys), "not all have signed")
    _, size, root, _ = text.split("\n")
    said = base64.b64decode(extra.removeprefix("extra "))
    demand(said[:1] == b"\x01" and len(said) > 33, "version")
    entry = b"\x01" + hashlib.sha256(b"domicile log line v1\0" + said[1:]).digest()
    number = int(index.removeprefix("index "))
    path = [base64.b64decode(each) for each in hashes]
    found = _root(hashlib.sha256(b"\x00" + entry).digest(), number, int(size), path)
    demand(base64.b64encode(found).decode() == root, "not in the tree")
    return number, said[33:].decode()


def _root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root as RFC 9162, section 2.1.3.2, computes it."""
    demand(index < size, "index")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        demand(sn != 0, "too long")
        if fn % 2 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    demand(sn == 0, "too short")
    return r
