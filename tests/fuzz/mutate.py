"""Inputs that are almost valid: valid ones, changed at random."""

from collections.abc import Callable, Sequence
from random import Random

_WORDS = (
    b"null true -1 1e999 NaN 0 18446744073709551616 [ ] { } [[ ]] \" ' , : . = ~ < > </ <!",
    b'"" "\\ud800" "0001-01-01T00:00:00+23:59" "9999-12-31T23:59:59-23:59" "P999999999D" \\u0000',
)
WORDS = (*b" ".join(_WORDS).split(b" "), b"\0", b"\xff", "\u017f".encode(), b"\n", b"9" * 5000)
_DEEP = 3000


def mutated(random: Random, samples: Sequence[bytes]) -> bytes:
    """Return one of the samples with up to 8 changes."""
    data = random.choice(samples)
    for _ in range(random.randrange(9)):
        data = random.choice(_CHANGES)(random, data, samples)
    return data


def _part(random: Random, data: bytes, longest: int = 64) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + random.randrange(longest)))


def _replaced(data: bytes, part: slice, new: bytes) -> bytes:
    return data[: part.start] + new + data[part.stop :]


def _flip(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = slice(start := random.randrange(len(data) + 1), start + 1)
    return _replaced(data, at, bytes([random.randrange(256)]))


def _cut(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(data, _part(random, data), b"")


def _end(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _word(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return _replaced(data, _part(random, data, 8), random.choice(WORDS))


def _value(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Replace a value between separators, so that the rest stays well formed."""
    marks = [n for n, byte in enumerate(data) if byte in b':,=>"~']
    if len(marks) < 2:
        return data
    at = random.randrange(len(marks) - 1)
    return _replaced(data, slice(marks[at] + 1, marks[at + 1]), random.choice(WORDS))


def _move(random: Random, data: bytes, samples: Sequence[bytes]) -> bytes:
    other = random.choice((data, *samples))
    return _replaced(data, _part(random, data), other[_part(random, other)])


def _repeat(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    part = _part(random, data, 16)
    times = random.choice((2, 3, 10, _DEEP if random.random() < 0.05 else 2))
    return _replaced(data, part, data[part] * times)


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _cut,
    _end,
    _word,
    _value,
    _value,
    _move,
    _repeat,
)
