"""What was measured, and whether it is good enough. Nothing here measures."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Of one operation: seconds, and seconds of the processor by who spent them."""

    seconds: float
    ours: float
    postgres: float
    server: float


@dataclass(frozen=True)
class Goal:
    """A bound: the median of the samples has to be on its good side, or on it."""

    bound: float
    least: bool = True  # otherwise it is the most

    def met(self, samples: Sequence[float]) -> bool:
        """Return whether there are samples, and their median is good enough."""
        if not samples:
            return False
        median = statistics.median(samples)
        return median >= self.bound if self.least else median <= self.bound


@dataclass(frozen=True)
class Figure:
    """One number: a sample of each round. ``unit``: x, us, ms, s or MiB."""

    name: str
    unit: str
    samples: tuple[float, ...]
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        return None if self.goal is None else self.goal.met(self.samples)


@dataclass(frozen=True)
class Side:
    """One of those that were compared: what an operation cost in each round."""

    name: str
    costs: tuple[Cost, ...]
    promise: str = ""  # what is true when the call has returned
    unit: str = "/s"

    def median(self, part: str) -> float:
        """Return the median of one part of the costs."""
        return float(statistics.median(getattr(cost, part) for cost in self.costs))

    @property
    def rate(self) -> float:
        """Operations a second."""
        return 1 / self.median("seconds")

    @property
    def processor(self) -> float:
        """Seconds of the processor for an operation, of all three together."""
        return sum(self.median(part) for part in ("ours", "postgres", "server"))


@dataclass(frozen=True)
class Row:
    """What one configuration is measured by. ``family``: under which it is printed."""

    family: str
    name: str
    figures: tuple[Figure, ...]
    sides: tuple[Side, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole run. ``about``: versions, machine, sizes."""

    about: Mapping[str, Any]
    rows: tuple[Row, ...]
    missing: Mapping[str, str] = field(default_factory=dict)  # what was left out, and why


def ratios(bases: Sequence[Cost], own: Sequence[Cost]) -> tuple[float, ...]:
    """Return by how much the second is faster, in each round."""
    return tuple(base.seconds / ours.seconds for base, ours in zip(bases, own, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that no more than ``1 - share`` of the values exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def to_json(report: Report) -> dict[str, Any]:
    """Return what ``from_json`` takes. ``met`` is added for readers of the file."""
    found = asdict(report)
    for row, shown in zip(report.rows, found["rows"], strict=True):
        for figure, one in zip(row.figures, shown["figures"], strict=True):
            one["met"] = figure.met
    return found


def from_json(found: Mapping[str, Any]) -> Report:
    """Return the report of a file."""
    rows = tuple(
        Row(
            row["family"],
            row["name"],
            tuple(_figure(one) for one in row["figures"]),
            tuple(_side(one) for one in row["sides"]),
        )
        for row in found["rows"]
    )
    return Report(found["about"], rows, found["missing"])


def _figure(one: Mapping[str, Any]) -> Figure:
    goal = None if one["goal"] is None else Goal(**one["goal"])
    return Figure(one["name"], one["unit"], tuple(one["samples"]), goal)


def _side(one: Mapping[str, Any]) -> Side:
    costs = tuple(Cost(**cost) for cost in one["costs"])
    return Side(one["name"], costs, one["promise"], one["unit"])
