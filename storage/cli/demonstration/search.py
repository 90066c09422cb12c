"""Looking for many byte strings at once, in any amount of data."""

import base64
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

SHORTEST: Final = 5
"""Bytes. What is shorter turns up in random data by chance, so that finding it means nothing."""

_HEAD = 4


class Finder:
    """Finds byte strings wherever they begin: as they are, in hexadecimal, or within base64.

    An index of their first four bytes is held against every position of the data, so that the time
    does not grow with the number of strings.
    """

    def __init__(self, sought: Iterable[bytes]) -> None:
        self._heads: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for one in sought:
            for form in forms(one):
                self._heads[int.from_bytes(form[:_HEAD], sys.byteorder)].append((form, one))
        self._known = frozenset(self._heads)

    def find(self, data: bytes) -> set[bytes]:
        """Those that are in the data."""
        return {one for at, head in self._positions(data)
                for form, one in self._heads[head] if data.startswith(form, at)}  # fmt: skip

    def _positions(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where one of the first four bytes are, and which."""
        view = memoryview(data)
        for shift in range(min(_HEAD, len(data))):
            whole = (len(data) - shift) // _HEAD * _HEAD
            words = view[shift : shift + whole].cast("I")
            if self._known.isdisjoint(words):  # much faster than what follows
                continue
            for number, word in enumerate(words):
                if word in self._known:
                    yield number * _HEAD + shift, word


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
