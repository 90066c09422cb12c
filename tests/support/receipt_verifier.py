"""A second implementation of receipts, written from the RFCs and not from our code."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet


def in_tree(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Verify an inclusion proof by RFC 9162, section 2.1.3.2, step by step."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for p in path:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the tree hash of RFC 9162, section 2.1.1, grown leaf by leaf (section 2.1.2)."""
    stack: list[bytes] = []
    for count, leaf in enumerate(leaves):
        stack.append(hashlib.sha256(b"\x00" + leaf).digest())
        merges = 0
        while count >> merges & 1:
            merges += 1
        for _ in range(merges):
            right, left = stack.pop(), stack.pop()
            stack.append(hashlib.sha256(b"\x01" + left + right).digest())
    while len(stack) > 1:
        right, left = stack.pop(), stack.pop()
        stack.append(hashlib.sha256(b"\x01" + left + right).digest())
    return stack[0]


def read_receipt(token: str, jwk_set: Mapping[str, Any]) -> dict[str, Any]:
    """Return the receipt's content if a key of the set signed a tree that contains it."""
    compact, receipt, proof = token.split("~")
    keys = KeySet.import_key_set({"keys": jwk_set["keys"]})
    signed = json.loads(jws.deserialize_compact(compact, keys, algorithms=["EdDSA"]).payload or b"")
    place, text = json.loads(_decoded(proof)), _decoded(receipt)
    path = [bytes.fromhex(node) for node in place["path"]]
    assert in_tree(text, place["index"], signed["size"], path, bytes.fromhex(signed["root"]))
    told: dict[str, Any] = json.loads(text)
    return told


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
