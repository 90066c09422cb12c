"""The states of a reading for training: what it rests on, and what was said of consent."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from regions.model import Purpose, Topology
from storage.model import ConsentKind
from storage.policy.access import Openable
from storage.policy.consent import Statement
from storage.policy.proof.cases import people
from storage.policy.proof.cases.trainings import edges
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.properties import epochs
from storage.policy.proof.properties.opening import Training
from storage.policy.training import Ground

COMPANY: Final = "some-company"
"""The company that runs the machine."""

_AGE = timedelta(seconds=2)
_EVER = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a record of a subject, and what follows from that, as a code."""

    said: tuple[Statement, ...]
    code: str
    subject: bytes | None = people.SUBJECT
    per_subject: bool = False


def grounds(now: datetime) -> Dimension:
    """Return when what it rests on was read, and who is objected to; None: it is for no run."""

    def read(words: str, ago: timedelta, *companies: str) -> Value:
        return Value(words, (now - ago, frozenset(companies)))

    return Dimension(
        (
            read("", _AGE / 2),
            Value("it is for no run", None),
            read("what is known of consent is too old", 2 * _AGE),
            read("the tenant objects to the company", _AGE / 2, COMPANY),
        ),
        (
            read("what is known of consent is too old now", _AGE),
            read("the tenant objects to another company", _AGE / 2, "another-company"),
        ),
    )


def origins(topology: Topology, today: date) -> Dimension:
    """Return the days around the beginning of each epoch, and around today."""
    days = sorted(edges(topology, today), key=lambda day: day != today)
    return Dimension(tuple(Value(f"data of {day}", day) for day in days))


def consents(topology: Topology, now: datetime) -> Dimension:
    """Return what was said, by whom."""
    ago, long_ago, before = (now - timedelta(days=n) for n in (1, 2, 3))
    classes = frozenset(topology.classes)

    def statement(kind: ConsentKind, given: datetime, *subjects: bytes) -> Statement:
        day = _EVER if kind is ConsentKind.OPT_IN else None
        what = classes, frozenset({Purpose.TRAIN})
        return Statement(UUID(int=9), kind, frozenset(subjects), None, *what, given, day, given)

    def of(words: str, code: str, *said: Statement, per_subject: bool = False) -> Value:
        return Value(words, Said(said, code, per_subject=per_subject))

    no, withdrawal = ConsentKind.OPT_OUT, ConsentKind.WITHDRAWAL
    own = statement(ConsentKind.OPT_IN, long_ago)
    mine, refused = replace(own, subjects=frozenset({people.SUBJECT})), statement(no, ago)
    return Dimension(
        (
            of("the customer has opted in", "opted_in", own),
            of("nothing was said", "nothing_said"),
            of("the customer has opted out", "opted_out", refused),
            of("the subject has opted out", "subject_opted_out", own, replace(mine, kind=no)),
            Value("it is about nobody", Said((own, mine), "no_subject", None, per_subject=True)),
        ),
        (
            of("it was withdrawn", "opted_out", own, replace(refused, kind=withdrawal)),
            of("it was withdrawn at once", "opted_out", own, replace(own, kind=withdrawal)),
            of("the opt-in came later", "opted_in", replace(refused, given=before), own),
            of("the opt-in is for later data", "not_covered", replace(own, covers_from=date.max)),
            of("the opt-in is for no class", "nothing_said", replace(own, classes=frozenset())),
            of("the opt-in is for no purpose", "nothing_said", replace(own, purposes=frozenset())),
            of("the opt-in is of the future", "nothing_said", replace(own, given=now + _AGE)),
            of("the refusal is ahead", "opted_out", own, replace(refused, given=now + _AGE)),
            of("another has opted out", "opted_in", own, statement(no, ago, people.ANOTHER)),
            of("each is asked, and has opted in", "opted_in", own, mine, per_subject=True),
            of("each is asked, and has said nothing", "nothing_said", own, per_subject=True),
            of("each is asked, and refused for", "opted_out", mine, refused, per_subject=True),
        ),
    )


def subject_of(training: Case) -> bytes | None:
    """Return whom the record is about."""
    said: Said = training[3].fact
    return said.subject


def facts_of(topology: Topology, training: Case, today: date) -> Training | None:
    """Return the facts of a case."""
    ground, held, origin, said = (value.fact for value in training)
    if ground is None:
        return None
    read, objections = ground
    use = epochs.Facts(topology.epochs, origin, today, said.code)
    return Training(read + _AGE, objections, held, use)


def of_case(record: Openable, training: Case) -> tuple[Openable, Ground | None]:
    """Return the record and the ground of a case, as the decision takes them."""
    made, held, origin, said = (value.fact for value in training)
    record = replace(record, held=held, origin=origin, subject=said.subject)
    if made is None:
        return record, None
    read, objections = made
    ground = Ground("any-run", said.said, read, objections, per_subject=said.per_subject)
    return record, ground
