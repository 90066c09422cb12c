"""What a change of a topology permits or forbids that was not before, as a list of sentences."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from math import isinf
from typing import Final

from regions.model import Topology
from regions.words import begun_with_article, with_article
from storage.policy.proof.addresses import of_addresses
from storage.policy.proof.change import Change, Direction
from storage.policy.proof.permissions import (
    STORED,
    Measure,
    Permission,
    Scope,
    measures,
    permissions,
    scope_of,
)
from storage.policy.proof.stored import of_stored


def compare(old: Topology, new: Topology, today: date) -> tuple[Change, ...]:
    """Return how what is permitted differs from a day on, broader before narrower."""
    scope = scope_of(old, new, today)
    noon = datetime.combine(today, time(12), UTC)
    found = [
        *_permitted(old, new, scope),
        *_measured(old, new, scope),
        *of_addresses(old, new),
        *of_stored(old, new, scope.settings, noon),
    ]
    order = list(Direction)
    return tuple(sorted(found, key=lambda one: order.index(one.direction)))


Parts = tuple[frozenset[str], ...]


def _permitted(old: Topology, new: Topology, scope: Scope) -> Iterator[Change]:
    before, after = permissions(old, scope), permissions(new, scope)
    for direction, some, others in (
        (Direction.BROADER, after, before),
        (Direction.NARROWER, before, after),
    ):
        groups: dict[tuple[str, frozenset[date]], list[Parts]] = {}
        for one, days in some.items():
            if one.topic == STORED or not _comparable(one, some, others):
                continue
            more = days - others.get(one, frozenset())
            if more:
                parts = tuple(frozenset({part}) for part in one.parts)
                groups.setdefault((one.topic, more), []).append(parts)
        for (topic, days), several in groups.items():
            when = in_words(days, scope.days)
            for parts in merge(several):
                says = _SENTENCES[topic](*(_joined(part, scope) for part in parts))
                verb = "may now" if direction is Direction.BROADER else "may no longer"
                yield Change(direction, topic, f"{says.replace('may', verb, 1)}{when}.")


def _comparable(
    one: Permission, some: Mapping[Permission, object], others: Mapping[Permission, object]
) -> bool:
    """Whether both topologies store what an agreement may be needed for: else it says nothing."""
    stored = Permission(STORED, one.parts[:2])
    return one.topic != "agreement" or (stored in some and stored in others)


def merge(several: Iterable[Parts]) -> list[Parts]:
    """Return the same with fewer entries: those that differ in one part alone become one."""
    found = list(dict.fromkeys(several))
    for place in range(len(found[0]) if found else 0):
        groups: dict[Parts, frozenset[str]] = {}
        for one in found:
            rest = (*one[:place], *one[place + 1 :])
            groups[rest] = groups.get(rest, frozenset()) | one[place]
        found = [(*rest[:place], part, *rest[place:]) for rest, part in groups.items()]
    return found


def in_words(days: Collection[date], of: Sequence[date]) -> str:
    """Return when something holds, as the end of a sentence. Empty: on all days."""
    runs: list[tuple[date, date | None]] = []
    for place, day in enumerate(of):
        following = of[place + 1] if place + 1 < len(of) else None
        if day not in days:
            continue
        if runs and runs[-1][1] == day:
            runs[-1] = runs[-1][0], following
        else:
            runs.append((day, following))
    texts = []
    for begin, end in runs:
        parts = [f"from {begin} on"] if begin != of[0] else []
        if end is not None:
            parts = [f"from {begin}"] if parts else []
            parts.append(f"until {end}")
        texts.append(" ".join(parts))
    joined = " and ".join(text for text in texts if text)
    return f", {joined}" if joined else ""


def _joined(part: frozenset[str], scope: Scope) -> str:
    if part == frozenset(scope.tenants):
        return "every tenant"
    return ", ".join(sorted(part))


def _placement(data: str, residency: str, home: str, tenant: str, where: str) -> str:
    whose = "" if tenant == "every tenant" else f" of {tenant}"
    return f"{data}{whose} of residency {residency} at home in {home} may be at {where}"


def _hand_over(which: str, data: str, residency: str, home: str, company: str) -> str:
    return _handed(f"Copies of {data}", which, residency, home, company)


def _handed_phi(which: str, data: str, residency: str, home: str, company: str) -> str:
    return _handed(f"Copies of health information in {data}", which, residency, home, company)


def _handed(what: str, which: str, residency: str, home: str, company: str) -> str:
    some = which if "," not in which else "flagged or not"
    whose = f"of residency {residency} at home in {home}"
    return f"{what} ({some}) {whose} may be handed over to {company}"


_SENTENCES: Final[Mapping[str, Callable[..., str]]] = {
    "home": "A tenant with residency {} may be at home in {}".format,
    "placement": _placement,
    "phi": "Health information of residency {} at home in {} may be at {}".format,
    "training": "Data of the epoch of {} may be used for training if the customer {}".format,
    "steward": "{} may run the {} of {}".format,
    "agreement": "{} of residency {} may be stored without the {}".format,
    "hand-over": _hand_over,
    "phi-hand-over": _handed_phi,
    "consent": "A consent for {} to {} may be recorded by the wording {}".format,
    "purpose": "{} may be opened for {}".format,
    "people": "People in {} may open records of residency {} under a grant".format,
    "posture": "{} may be written to when this part of its posture cannot be read: {}".format,
    "attested": "{} may be believed to have no {}, which it cannot list".format,
    "survival": "{} may stay when {}, from which it derives, is erased".format,
}
"""What a topic says of its parts. Each has one ``may``."""


def _measured(old: Topology, new: Topology, scope: Scope) -> Iterator[Change]:
    before, after = dict(measures(old, scope)), dict(measures(new, scope))
    for measure in dict.fromkeys((*before, *after)):
        was, now = before.get(measure), after.get(measure)
        if was == now or (None in (was, now) and measure.topic not in ("retention", "ceiling")):
            continue
        says = _says(measure)
        text = f"{says}: {_number(now, measure)}; before: {_number(was, measure)}."
        yield Change(_direction(measure, was, now), measure.topic, text)


def _says(measure: Measure) -> str:
    first = measure.parts[0] if measure.parts else "topology"
    articles = {"a": with_article(first), "A": begun_with_article(first)}
    return _NUMBERS[measure.topic].format(*measure.parts, **articles)


def _direction(measure: Measure, was: float | None, now: float | None) -> Direction:
    if measure.more_is_broader is None:
        return Direction.CHANGED
    more = (now or 0) > (was or 0)
    return Direction.BROADER if more is measure.more_is_broader else Direction.NARROWER


def _number(value: float | None, measure: Measure) -> str:
    if value is None:
        return "no such class"
    if measure.unit == "day" and not isinf(value):
        return str(date.fromordinal(int(value)))
    return "no limit" if isinf(value) else f"{value:g} {measure.unit}"


_NUMBERS: Final[Mapping[str, str]] = {
    "retention": "{A} is kept for at most",
    "epoch": "{A} of the epoch of {1} is kept for at most",
    "ceiling": "A tenant may set the retention of {a} to at most",
    "evidence": "{} are kept in {} for",
    "bound": "The bound of {} ({})",
    "staff": "The roster of {} takes at most",
    "required": "A write in {} is acknowledged with",
    "replicas": "An object in {} has",
    "founded": "An agreement with a customer is recorded of no day before",
    "wording": "A consent to the wording {} is recorded of no day before",
    "backups": "Backups of the catalog of {} live for",
    "witnesses": "Before staff sees content in {}, its log is cosigned by",
    "notice": "The notice of {} is",
    "copies": "A copy at {} lives for at most",
}
