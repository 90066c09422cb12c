"""What must hold of agreements that are recorded, and of what is read without one."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from regions.model import Residency
from regions.words import begun_with_article
from storage.model import Agreement, RecordedAgreement
from storage.policy.proof.properties import Cause, Property, Violation, of_every_reason


def of_return(
    residency: Residency | None, state: str | None, *, alone: bool
) -> Iterator[Violation]:
    """Yield each violation. ``state``: what is amiss with the agreement; None: it is in force."""
    wanted = residency is not None and "dpa" in residency.agreements and state is not None
    if alone is wanted:
        return
    named = "no known residency" if residency is None else f"the residency {residency.name}"
    how = "in force" if state is None else state
    which = Property.RETURN if wanted else Property.USABLE
    yield Violation(
        which,
        f"Records of a tenant with {named}, whose data processing agreement is {how}, would "
        f"{'' if alone else 'not '}be read for return alone.",
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """An agreement that is to be recorded. ``founded``: when the operator was; None: unknown."""

    new: Agreement
    history: Sequence[RecordedAgreement]
    supersedes: UUID | None
    founded: date | None
    today: date


def of_recording(facts: Facts, reasons: Collection[str]) -> Iterator[Violation]:
    """Yield each violation of a decision on an agreement."""
    new = facts.new
    sentence = (
        f"{begun_with_article(new.kind)} that was signed on {new.signed} and is in force "
        f"from {new.begins}"
        f"{'' if new.until is None else f' until {new.until}'}, recorded on {facts.today},"
    )
    return of_every_reason(Property.AGREEMENT, sentence, tuple(_against(facts)), reasons)


def _against(facts: Facts) -> Iterator[Cause]:
    new, founded = facts.new, facts.founded
    if facts.today < new.signed:
        yield "signed_in_future", "nobody has signed it yet"
    if founded is not None and (new.signed < founded or new.begins < founded):
        yield "before_founded", "the operator did not exist yet"
    if new.until is not None and (
        new.until < new.begins or (facts.supersedes is None and new.until == new.begins)
    ):
        yield "ends_before_it_begins", "it ends before it begins"
    if new.kind == "baa" and not _has_enterprise(facts) and not _was_in_force(facts):
        yield "baa_without_enterprise", "there is no enterprise agreement with it"
    if facts.supersedes is None:
        return
    for entry in facts.history:
        if entry.supersedes == facts.supersedes:
            yield "superseded_already", "another entry has superseded the same one"
        if entry.id == facts.supersedes and entry.agreement.kind != new.kind:
            yield "another_kind", "it supersedes one of another kind"


def _was_in_force(facts: Facts) -> bool:
    """Whether the entry that it supersedes is in force on each of its days, as when it is ended."""
    last = facts.new.until or date.max
    return any(
        entry.id == facts.supersedes
        and entry.agreement.begins <= facts.new.begins
        and last <= (entry.agreement.until or date.max)
        for entry in facts.history
    )


def _has_enterprise(facts: Facts) -> bool:
    """Whether an enterprise agreement is in force today, or when the new one begins or began."""
    ended = facts.new.until is not None and facts.new.until <= facts.today
    on = facts.new.begins if ended or facts.new.begins > facts.today else facts.today
    return any(
        entry.agreement.kind == "enterprise" and _covers(entry, facts.history, on)
        for entry in facts.history
    )


def _covers(entry: RecordedAgreement, history: Iterable[RecordedAgreement], on: date) -> bool:
    """Whether an entry counts and is in force on a day."""
    if any(other.supersedes == entry.id for other in history):
        return False
    known = entry.agreement
    return known.begins <= on and (known.until is None or on < known.until)


def of_history(
    history: Sequence[RecordedAgreement],
    on: date,
    at: datetime | None,
    found: Collection[RecordedAgreement],
) -> Iterator[Violation]:
    """Yield each entry that wrongly counts or does not, on a day as it was recorded at a moment."""
    known = [entry for entry in history if at is None or entry.recorded <= at]
    for entry in history:
        counts = entry in known and _covers(entry, known, on)
        if counts is not (entry in found):
            which = Property.USABLE if counts else Property.AGREEMENT
            yield Violation(
                which,
                f"The agreement of {entry.agreement.begins} would "
                f"{'not ' if counts else ''}be in force on {on}, as it was recorded at {at}.",
            )
