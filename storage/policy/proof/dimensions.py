"""Small dimensions, and every combination of their values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a dimension: what a decision is given, and the same in words."""

    words: str
    fact: Any


@dataclass(frozen=True, slots=True)
class Dimension:
    """What may vary in one respect, independently of all other dimensions.

    ``values`` are combined with all values of the other dimensions; the first permits most. Each
    of the ``edges`` is one of them at its first or last moment, or in another form. They are tried
    with all else as it permits most.
    """

    values: tuple[Value, ...]
    edges: tuple[Value, ...] = ()


Case = tuple[Value, ...]
"""A value of each dimension, in their order."""


def combinations(dimensions: Sequence[Dimension]) -> Iterator[Case]:
    """Yield every combination of values, then every edge."""
    yield from product(*(one.values for one in dimensions))
    most = tuple(one.values[0] for one in dimensions)
    for place, one in enumerate(dimensions):
        for edge in one.edges:
            yield (*most[:place], edge, *most[place + 1 :])


def count(dimensions: Sequence[Dimension]) -> int:
    """Return how many ``combinations`` there are."""
    joint = prod(len(one.values) for one in dimensions)
    return joint + sum(len(one.edges) for one in dimensions)


def given(case: Case) -> tuple[str, ...]:
    """Return what a case states, in words."""
    return tuple(value.words for value in case if value.words)
