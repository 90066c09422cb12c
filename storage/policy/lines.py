"""Read what a line of a log says.

Any login may append a line by raw SQL, with any JSON object as its text. What no code of Domicile
writes is unreadable, as a whole: no part of it counts, and none is shown as if we had said it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from storage.model import LineKind

Fact = str | int | tuple[str, ...] | None
"""What a line says of one thing."""

_BITS: Final = 63
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Who:
    """Who opened, for what, and under which grant."""

    actor: str
    actor_kind: str
    employer: str
    location: str
    tenant: str
    purpose: str
    grant: str | None
    case: str | None
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody opened a record."""

    who: Who
    record: str


@dataclass(frozen=True, slots=True)
class RefusedFor:
    """Something was refused, for these reasons; for its error if it had none."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfGrant:
    """A grant was requested, approved or revoked; when it was approved last before."""

    grant: str
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says: every fact by its name, and what the report on access counts of it."""

    facts: Mapping[str, Fact]
    counts: Opened | RefusedFor | OfGrant | None


def read_line(kind: LineKind, text: str) -> Said | None:
    """Return what a line of a kind says. None: it is unreadable. Never raises."""
    try:
        facts = _facts(text)
        return Said(facts, _counts(kind, facts))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _facts(text: str) -> dict[str, Fact]:
    """Return the facts of a flat JSON object, in which no name is there twice."""
    found = json.loads(text, object_pairs_hook=_once)
    if not isinstance(found, dict):
        raise TypeError("no object")
    return {_text(name): _fact(value) for name, value in found.items()}


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _fact(value: object) -> Fact:
    match value:
        case None:
            return None
        case str():
            return _text(value)
        case list():
            return tuple(map(_text, value))
        case int() if not isinstance(value, bool) and value.bit_length() <= _BITS:
            return value
        case _:
            raise TypeError("no code writes that")


def _text(value: object) -> str:
    """Return a string that can be written: a lone surrogate cannot."""
    if not isinstance(value, str):
        raise TypeError("no string")
    value.encode()
    return value


def _counts(kind: LineKind, facts: Mapping[str, Fact]) -> Opened | RefusedFor | OfGrant | None:
    match kind:
        case LineKind.OPENING:
            return Opened(_who(facts), _text(facts["record"]))
        case LineKind.REFUSAL:
            reasons = tuple(dict.fromkeys(_texts(facts["reasons"])))
            return RefusedFor(reasons or (_text(facts["error"]),))
        case LineKind.GRANT_REQUESTED | LineKind.GRANT_APPROVED | LineKind.GRANT_REVOKED:
            return OfGrant(_text(facts["grant"]), _moment(facts.get("approved_at")))
        case _:
            return None


def _who(facts: Mapping[str, Fact]) -> Who:
    return Who(
        _text(facts["actor"]),
        _text(facts["actor_kind"]),
        _text(facts["employer"]),
        _text(facts["location"]),
        _text(facts["tenant"]),
        _text(facts["purpose"]),
        _maybe(facts.get("grant")),
        _maybe(facts.get("case")),
        _texts(facts.get("approved_by", ())),
    )


def _maybe(value: Fact) -> str | None:
    return None if value is None else _text(value)


def _texts(value: Fact) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise TypeError("no list")
    return value


def _moment(value: Fact) -> datetime | None:
    """Return a moment that a line of the log may have."""
    if value is None:
        return None
    found = datetime.fromisoformat(_text(value))
    if not _FIRST <= found < _END:  # TypeError without a time zone
        raise ValueError("no such time")
    return found
