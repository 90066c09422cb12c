"""Cases of recording an agreement, and of which were in force as it was recorded at a moment."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import get_args
from uuid import UUID

from regions.model import AgreementKind, Topology
from regions.words import with_article
from storage.model import Agreement, RecordedAgreement
from storage.policy.agreements import in_force, may_record
from storage.policy.proof.cases import people
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.agreements import Facts, of_history, of_recording

_DAY = timedelta(days=1)
_PROPERTIES = frozenset({Property.AGREEMENT, Property.REASONS, Property.USABLE})

History = Sequence[RecordedAgreement]


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield every agreement with every history, and every history at every moment."""
    founded = topology.operator.founded if topology.operator is not None else None
    yield _recordings(founded, today)
    yield _histories(today)


def _recordings(founded: date | None, today: date) -> Family:
    def judge(case: Case) -> Iterator[Violation]:
        kind, (signed, since), lasts, (history, supersedes), begun = (x.fact for x in case)
        begins = since or signed
        until = None if lasts is None else begins + lasts
        new = Agreement(kind, signed, until, since)
        facts = Facts(new, history, supersedes, begun, today)
        decided = may_record(new, history, supersedes=supersedes, founded=begun, today=today)
        return of_recording(facts, decided.reasons)

    kinds = (Value(with_article(kind), kind) for kind in get_args(AgreementKind))
    long_ago = today - 400 * _DAY
    known = founded or today - 500 * _DAY
    dimensions = (
        Dimension(tuple(kinds)),
        Dimension(tuple(_dates(known, today))),
        Dimension(
            tuple(
                Value(
                    "without an end" if days is None else f"for {days} days", days and days * _DAY
                )
                if days != 0
                else Value("for no day", timedelta())
                for days in (None, 1, 0, -1, 30, 399, 400, 401, 700)
            )
        ),
        Dimension(tuple(_pasts(long_ago, today))),
        Dimension((Value("", known), Value("the operator states no foundation", None))),
    )
    return Family("agreements that are recorded", dimensions, _PROPERTIES, judge)


def _dates(founded: date, today: date) -> Iterator[Value]:
    """Yield when it was signed, and when it begins (None: then)."""
    ago, early, ahead = today - 400 * _DAY, founded - _DAY, today + _DAY
    yield Value("signed long ago", (ago, None))
    yield Value("signed today", (today, None))
    yield Value("signed tomorrow", (ahead, None))
    yield Value("signed on the day of the foundation", (founded, None))
    yield Value("signed before the foundation", (early, None))
    yield Value("signed before the foundation, in force later", (early, ago))
    yield Value("signed long ago, in force from before the foundation", (ago, early))
    yield Value("signed long ago, in force from tomorrow", (ago, ahead))
    yield Value("signed tomorrow, in force from long ago", (ahead, ago))


def _pasts(ago: date, today: date) -> Iterator[Value]:
    """Yield what the tenant has, and which entry the new one supersedes."""

    def entry(
        number: int, kind: AgreementKind, until: date | None = None, *, over: int | None = None
    ) -> RecordedAgreement:
        supersedes = None if over is None else UUID(int=over)
        return _entry(number, Agreement(kind, ago, until), supersedes, ago)

    one = UUID(int=1)
    yield Value("beside an enterprise agreement", ((entry(1, "enterprise"),), None))
    yield Value("", ((), None))
    for kind in get_args(AgreementKind):
        yield Value(f"instead of {with_article(kind)}", ((entry(1, kind),), one))
        others = (entry(2, other) for other in get_args(AgreementKind) if other != kind)
        beside = entry(1, kind), *others
        yield Value(f"instead of {with_article(kind)}, beside others", (beside, one))
        replaced = entry(1, kind), entry(2, kind, today, over=1)
        yield Value(f"instead of {with_article(kind)} that was superseded", (replaced, one))
        yield Value(f"instead of what superseded {with_article(kind)}", (replaced, UUID(int=2)))
    for words, until in {"ended": today, "ends tomorrow": today + _DAY}.items():
        yield Value(f"instead of a baa that {words}", ((entry(1, "baa", until),), one))
        had = ((entry(1, "enterprise", until),), None)
        yield Value(f"beside an enterprise agreement that {words}", had)
    called_off = entry(1, "enterprise"), entry(2, "enterprise", ago, over=1)
    yield Value("beside an enterprise agreement that was called off", (called_off, None))
    later = _entry(1, Agreement("enterprise", ago, None, today + _DAY), None, ago)
    yield Value("beside an enterprise agreement that begins tomorrow", ((later,), None))


def _entry(
    number: int, agreement: Agreement, supersedes: UUID | None, on: date
) -> RecordedAgreement:
    at = datetime.combine(on, time(number), UTC)
    return RecordedAgreement(UUID(int=number), people.TENANT, agreement, supersedes, at, "login")


def _histories(today: date) -> Family:
    """Return entries that may have ended and been superseded, seen on days and at moments."""
    ago = today - 10 * _DAY
    ends = (None, today, today + _DAY)
    first = (_entry(1, Agreement("dpa", ago, until), None, ago) for until in ends)
    second = (
        _entry(2, Agreement("dpa", ago, until, since), over, ago + 5 * _DAY)
        for until, since, over in product(ends, (None, today), (None, UUID(int=1)))
    )

    def judge(case: Case) -> Iterator[Violation]:
        history, on, at = (value.fact for value in case)
        return of_history(history, on, at, in_force(history, on, at=at))

    moments = (None, *(datetime.combine(ago + n * _DAY, time(2), UTC) for n in (-1, 0, 5)))
    dimensions = (
        Dimension(tuple(Value("", history) for history in product(first, second))),
        Dimension(tuple(Value(f"on {day}", day) for day in (today, today - _DAY, ago, ago - _DAY))),
        Dimension(tuple(Value(f"as it was at {at}" if at else "", at) for at in moments)),
    )
    return Family("agreements in force", dimensions, _PROPERTIES, judge)
