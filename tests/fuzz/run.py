"""Give a parser its inputs."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import Target


@dataclass(frozen=True)
class Failure:
    """The first input with which the parser raised what it does not document."""

    number: int
    data: bytes
    error: Exception


def run(target: Target, numbers: Iterable[int]) -> int | Failure:
    """Return how many of the inputs are valid, or the first failure."""
    valid = 0
    for number in numbers:
        data = mutated(Random(f"{target.name} {number}"), target.samples)
        try:
            target.parse(data)
            valid += 1
        except target.errors:
            pass
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return Failure(number, data, error)
    return valid
