"""Search for many byte strings at once, in any amount of data."""

import base64
import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

_WORD: Final = 4  # bytes
_BLOCK: Final = 1024  # words that are compared at once

SHORTEST: Final = 2 * _WORD - 1
"""Bytes. A shorter string may cover no whole word, and is found by chance anyway."""


class Finder:
    """Finds byte strings at any offset: raw, in hexadecimal, or within base64.

    It reads data as words of four bytes. Wherever a string begins, one of its first four possible
    words is a word of the data. An index of these words makes the time independent of the number of
    strings.
    """

    def __init__(self, values: Iterable[bytes]) -> None:
        self._index: defaultdict[int, list[tuple[bytes, int, bytes]]] = defaultdict(list)
        for one in values:
            for form in forms(one):
                for skip in range(_WORD):
                    word = int.from_bytes(form[skip : skip + _WORD], sys.byteorder)
                    self._index[word].append((form, skip, one))
        self._known = frozenset(self._index)
        self._nothing: set[bytes] = set()  # digests of data without any match

    def find(self, data: bytes) -> set[bytes]:
        """Return the strings in the data. Data without any match is searched once only."""
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
        """Yield the positions of words of the index, with the words."""
        words = memoryview(data)[: len(data) // _WORD * _WORD].cast("I")
        for first in range(0, len(words), _BLOCK):
            block = words[first : first + _BLOCK]
            if self._known.isdisjoint(block):  # nearly always
                continue
            for number, word in enumerate(block, first):
                if word in self._known:
                    yield number * _WORD, word


def forms(one: bytes) -> Iterator[bytes]:
    """Yield the encodings of a string: raw, hexadecimal, base64 at each of three offsets."""
    yield one
    yield one.hex().encode()
    for before in range(3):
        text = base64.b64encode(bytes(before) + one)
        # the characters that encode bits of ours alone
        inner = text[-(-before * 8 // 6) : (before + len(one)) * 8 // 6]
        if len(inner) >= SHORTEST:
            yield inner
            if b"+" in inner or b"/" in inner:
                yield inner.translate(bytes.maketrans(b"+/", b"-_"))
