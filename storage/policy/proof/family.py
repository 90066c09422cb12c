"""A family of cases: one decision, the facts that it reads, and what must hold of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storage.policy.proof.dimensions import Case, Dimension, count
from storage.policy.proof.properties import Property, Violation


@dataclass(frozen=True, slots=True)
class Family:
    """``judge`` makes the decision of a case, and returns how it violates one of ``properties``."""

    about: str
    dimensions: Sequence[Dimension]
    properties: frozenset[Property]
    judge: Callable[[Case], Iterable[Violation]]

    @property
    def size(self) -> int:
        """How many cases it has."""
        return count(self.dimensions)
