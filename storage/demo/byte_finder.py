"""Looking for many byte strings at once, in any amount of data."""

import base64
import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

_WORD: Final = 4  # bytes
_BLOCK: Final = 1024  # words that are dismissed at once

SHORTEST: Final = 2 * _WORD - 1
"""Bytes. What has fewer may cover no whole word; and three or four turn up by chance anyway."""


class Finder:
    """Finds byte strings wherever they begin: as they are, in hexadecimal, or within base64.

    Data is looked at as a row of words of four bytes. Wherever a string begins, it covers one of
    them that is one of its first four possible words: of those there is an index, so the time does
    not grow with the number of strings.
    """

    def __init__(self, sought: Iterable[bytes]) -> None:
        self._index: defaultdict[int, list[tuple[bytes, int, bytes]]] = defaultdict(list)
        for one in sought:
            for form in forms(one):
                for skip in range(_WORD):
                    word = int.from_bytes(form[skip : skip + _WORD], sys.byteorder)
                    self._index[word].append((form, skip, one))
        self._known = frozenset(self._index)
        self._nothing: set[bytes] = set()  # digests of data in which nothing was

    def find(self, data: bytes) -> set[bytes]:
        """Those that are in the data. The same data again takes no time, if there was nothing."""
        digest = hashlib.sha256(data).digest()
        if digest in self._nothing:
            return set()
        found = {
            one
            for at, word in self._hits(data)
            for form, skip, one in self._index[word]
            if at >= skip and data.startswith(form, at - skip)
        }
        if not found:
            self._nothing.add(digest)
        return found

    def _hits(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where a word of the index is, and which."""
        words = memoryview(data)[: len(data) // _WORD * _WORD].cast("I")
        for first in range(0, len(words), _BLOCK):
            block = words[first : first + _BLOCK]
            if self._known.isdisjoint(block):  # nearly always, and fast
                continue
            for number, word in enumerate(block, first):
                if word in self._known:
                    yield number * _WORD, word


def forms(one: bytes) -> Iterator[bytes]:
    """How a byte string may be written: itself, hexadecimal, base64 at each of three offsets."""
    yield one
    yield one.hex().encode()
    for before in range(3):
        text = base64.b64encode(bytes(before) + one)
        # the characters that hold nothing but bits of ours
        inner = text[-(-before * 8 // 6) : (before + len(one)) * 8 // 6]
        if len(inner) >= SHORTEST:
            yield inner
            if b"+" in inner or b"/" in inner:
                yield inner.translate(bytes.maketrans(b"+/", b"-_"))
