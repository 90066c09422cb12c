"""What must hold of every decision, stated apart from the code that decides.

Nothing here calls a decision, nor anything that one calls. What a decision gave is compared with
the facts of the case: the topology, the days, who asks.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Property(StrEnum):
    """A property of the policy."""

    RESIDENCY = "residency"
    COMPANIES = "companies"
    DEDICATED = "dedicated"
    ENOUGH = "enough"
    TERMS = "terms"
    ADMISSION = "admission"
    RETURN = "return"
    AGREEMENT = "agreement"
    EXIT = "exit"
    OBJECTION = "objection"
    DEADLINE = "deadline"
    READABLE = "readable"
    IDS = "ids"
    GROUND = "ground"
    TRAINING = "training"
    PERMIT = "permit"
    TWO_PEOPLE = "two_people"
    ROSTER = "roster"
    HAND_OVER = "hand_over"
    COPIES = "copies"
    DESTRUCTION = "destruction"
    POSTURE = "posture"
    REASONS = "reasons"
    USABLE = "usable"


SENTENCES: Final[Mapping[Property, str]] = {
    Property.RESIDENCY: "No placement leaves the residency or the home region.",
    Property.COMPANIES: "No placement is at a company that may not have the data on that day, or "
    "to which the tenant objects.",
    Property.DEDICATED: "What is dedicated holds bytes of its tenants alone, and theirs are "
    "nowhere else.",
    Property.ENOUGH: "A write has as many open places as it requires, or is refused.",
    Property.TERMS: "Nothing is stored without its class, service, home, residency and agreements.",
    Property.ADMISSION: "No tenant is admitted outside its residency, or with terms beyond limits.",
    Property.RETURN: "Without an agreement to process data it is read for return alone.",
    Property.AGREEMENT: "No agreement is recorded that nobody signed, or that its history "
    "rules out.",
    Property.EXIT: "No exit is chosen, told, confirmed or carried out but in order, by two people, "
    "and after the agreement.",
    Property.OBJECTION: "No objection leaves a tenant fewer places than a write needs.",
    Property.DEADLINE: "No term exceeds the ceiling of class or epoch, and no byte outlives it.",
    Property.READABLE: "No record ends before its time.",
    Property.IDS: "No id is accepted outside its write window, or with a day beyond the retention.",
    Property.GROUND: "No purpose opens without its ground.",
    Property.TRAINING: "No record may be used for training but by the rules of its epoch and of "
    "today.",
    Property.PERMIT: "No permit is for another record, actor or purpose, or lasts too long.",
    Property.TWO_PEOPLE: "No grant is requested or approved by who may not.",
    Property.ROSTER: "No roster takes who may not be in it, or more people than allowed.",
    Property.HAND_OVER: "No copy is handed over but in the form and on the conditions stated.",
    Property.COPIES: "No copy outlives its record, its company's limit or its agreement.",
    Property.DESTRUCTION: "Nothing is destroyed that is held, in use, or not yet over.",
    Property.POSTURE: "Nothing new goes to a bucket whose posture is bad, unreadable or unknown.",
    Property.REASONS: "Every reason that is given is true.",
    Property.USABLE: "What no rule forbids is not refused.",
}
"""Each property as a sentence."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A property that a decision violates, and how, as a sentence."""

    violated: Property
    says: str


Cause = tuple[str, str]
"""A reason, and the end of a sentence that says it."""


def of_every_reason(
    of: Property, sentence: str, against: Collection[Cause], reasons: Collection[str]
) -> Iterator[Violation]:
    """Compare what was decided with all that is against it. Every cause must be named."""
    true = dict(against)
    for code in sorted(true.keys() - set(reasons)):
        what = "not say" if reasons else "be allowed, although"
        yield Violation(
            of if not reasons else Property.REASONS, f"{sentence} would {what} {true[code]}."
        )
    yield from _of_untrue(sentence, true, reasons)


def of_one_reason(
    of: Property, sentence: str, against: Collection[Cause], reason: str | None
) -> Iterator[Violation]:
    """Compare what was decided with all that is against it, of which one is named; None: none."""
    true = dict(against)
    if reason is None and true:
        yield Violation(of, f"{sentence} would be allowed, although {'; '.join(true.values())}.")
    yield from _of_untrue(sentence, true, [] if reason is None else [reason])


def _of_untrue(
    sentence: str, true: Mapping[str, str], reasons: Collection[str]
) -> Iterator[Violation]:
    for code in sorted(set(reasons) - true.keys()):
        kind = Property.REASONS if true else Property.USABLE
        yield Violation(kind, f"{sentence} would be refused as {code}, which is not so.")
