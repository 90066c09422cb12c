"""What must hold of every decision, stated apart from the code that decides.

Nothing here calls a decision, nor anything that one calls. What a decision gave is compared with
the facts of the case: the topology, the days, who asks.
"""

from collections.abc import Mapping
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
