"""As much of the language of Prometheus as the alerts need, on scrapes that a test made.

An increase needs a series in two scrapes, as there: a counter that begins at 1 has not grown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = Mapping[Labels, float]

_SELECTOR = re.compile(r"(?P<name>\w+)(\{(?P<labels>.*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)(?P<how>=~|!=|=)"(?P<value>[^"]*)"')
_COMPARED = re.compile(r"(?P<left>.+) (?P<how>==|>=|>|<) (?P<right>[0-9.e]+)")
_BY = re.compile(r"(?P<how>sum|max|min) by \((?P<labels>[\w, ]+)\) \((?P<of>.+)\)")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": lambda x, y: x == y,
    ">=": lambda x, y: x >= y,
    ">": lambda x, y: x > y,
    "<": lambda x, y: x < y,
}
_MERGE: Mapping[str, Callable[[Sequence[float]], float]] = {"sum": sum, "max": max, "min": min}


@dataclass(frozen=True)
class Scrape:
    """What one page of metrics has: by name, the series and their values."""

    series: Mapping[str, Vector]

    @property
    def names(self) -> set[str]:
        """The names of all series."""
        return set(self.series)


def parse(page: str) -> Scrape:
    """Return the series of a page."""
    series: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = frozenset((name, of) for name, of in sample.labels.items() if of)
            series.setdefault(sample.name, {})[labels] = sample.value
    return Scrape(series)


def evaluate(expression: str, scrapes: Sequence[Scrape]) -> Vector:
    """Return the series for which an expression holds after the last of the scrapes."""
    if found := _COMPARED.fullmatch(expression):
        compare, limit = _COMPARE[found["how"]], float(found["right"])
        vector = evaluate(found["left"], scrapes)
        return {labels: x for labels, x in vector.items() if compare(x, limit)}
    if found := _BY.fullmatch(expression):
        return _grouped(evaluate(found["of"], scrapes), found["how"], found["labels"].split(", "))
    if expression.startswith("absent("):
        return {} if evaluate(expression[7:-1], scrapes) else {frozenset(): 1.0}
    if expression.startswith("increase("):
        selector, _, _ = expression[9:-1].rpartition("[")
        first, last = _select(selector, scrapes[0]), _select(selector, scrapes[-1])
        return {labels: x - first[labels] for labels, x in last.items() if labels in first}
    if " / " in expression:
        over, under = (evaluate(part, scrapes) for part in expression.split(" / "))
        return {labels: x / under[labels] for labels, x in over.items() if labels in under}
    return _select(expression, scrapes[-1])


def _grouped(vector: Vector, how: str, by: Sequence[str]) -> Vector:
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector.items():
        kept = frozenset((name, of) for name, of in labels if name in by)
        groups.setdefault(kept, []).append(value)
    return {labels: _MERGE[how](values) for labels, values in groups.items()}


def _select(selector: str, scrape: Scrape) -> Vector:
    found = _SELECTOR.fullmatch(selector)
    assert found, f"not understood: {selector}"
    matchers = [m.groupdict() for m in _MATCHER.finditer(found["labels"] or "")]
    return {
        labels: value
        for labels, value in scrape.series.get(found["name"], {}).items()
        if all(_matches(dict(labels), **matcher) for matcher in matchers)
    }


def _matches(labels: Mapping[str, str], label: str, how: str, value: str) -> bool:
    has = labels.get(label, "")
    if how == "=~":
        return re.fullmatch(value, has) is not None
    return (has == value) is (how == "=")


def names_in(expression: str) -> set[str]:
    """Return the names of metrics in any expression, also of those that ``evaluate`` cannot."""
    return set(re.findall(r"\bdomicile_\w+", expression))
