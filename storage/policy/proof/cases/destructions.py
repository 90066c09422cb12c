"""Cases of destroying something, and of what the posture of a bucket permits."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import get_args

from regions.backends import PostureAttested
from regions.fields import PostureCheck
from regions.words import with_article
from storage.model import PostureFinding
from storage.policy.erasure import Target, may_destroy
from storage.policy.posture import KnownPosture, closed
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.destruction import Facts, of_destruction, of_posture

_TICK = timedelta(microseconds=1)
_STATES = (
    *("erased", "released", "live", "writing", "stored", "purging", "gone", "open", "expiring"),
    *("dropped", "unknown", "requested", "handed_over"),
)
_DESTROYED = frozenset({Property.DESTRUCTION, Property.REASONS, Property.USABLE})
_POSTURE = frozenset({Property.POSTURE, Property.REASONS, Property.USABLE})


def families(today: date) -> Iterator[Family]:
    """Yield the cases. They are the same for every topology."""
    midnight = datetime.combine(today, time.min, UTC)
    yield _destructions(midnight)
    yield _postures(midnight + timedelta(hours=12))


def _destructions(midnight: datetime) -> Family:
    targets: tuple[Target, ...] = get_args(Target)

    def judge(case: Case) -> Iterator[Violation]:
        facts = Facts(*(value.fact for value in case))
        decided = may_destroy(
            what=case[0].fact,
            state=facts.state,
            held=facts.held,
            now=facts.now,
            day=facts.day,
            since=facts.since,
        )
        return of_destruction(facts, allowed=decided.allowed, reason=decided.reason)

    today, day = midnight.date(), timedelta(days=1)
    days = (today, None, today - day, today + day)
    seen = (midnight - 3 * day, None, midnight - 3 * day + _TICK, midnight)
    dimensions = (
        Dimension(tuple(Value(with_article(what), what) for what in targets)),
        Dimension(tuple(Value(f"in the state {state}", state) for state in _STATES)),
        Dimension((Value("", False), Value("held", True))),
        Dimension(tuple(Value("", at) for at in (midnight, midnight - _TICK))),
        Dimension(tuple(Value(f"of the day {on}", on) for on in days)),
        Dimension(tuple(Value(f"first seen at {at}", at) for at in seen)),
    )
    return Family("destruction", dimensions, _DESTROYED, judge)


def _postures(now: datetime) -> Family:
    """Return two checks in every finding, when they were read, and what a document says of them."""
    one, other = PostureCheck.REPLICATION, PostureCheck.LIFECYCLE
    found = (
        PostureFinding.OK,
        PostureFinding.BAD,
        PostureFinding.UNREADABLE,
    )
    read = (
        now,
        None,
        now - timedelta(minutes=5),
        now - timedelta(minutes=5) - _TICK,
        now + timedelta(seconds=1),
        now + timedelta(seconds=1) + _TICK,
    )
    today, day = now.date(), timedelta(days=1)
    documents = (
        Value("", None),
        Value("a document says it of both", (today, {one, other})),
        Value("a document says it of both from tomorrow on", (today + day, {one, other})),
        Value("a document says it of one", (today, {one})),
    )

    def judge(case: Case) -> Iterator[Violation]:
        first, second, at, document = (value.fact for value in case)
        findings = {one: first, other: second}
        attested = None
        if document is not None:
            attested = PostureAttested(
                on=document[0], document="0" * 64, checks=frozenset(document[1])
            )
        known = None if at is None else KnownPosture(findings, at)
        vouched = (
            document is not None
            and document[0] <= today
            and all(
                check in document[1]
                for check, result in findings.items()
                if result is PostureFinding.UNREADABLE
            )
        )
        decided = closed(known, attested, now)
        return of_posture(
            None if at is None else findings, at, now, vouched=vouched, closed=decided
        )

    dimensions = (
        Dimension(tuple(Value(f"{one} is {result}", result) for result in found)),
        Dimension(tuple(Value(f"{other} is {result}", result) for result in found)),
        Dimension(tuple(Value(f"read at {moment}", moment) for moment in read)),
        Dimension(documents),
    )
    return Family("postures", dimensions, _POSTURE, judge)
