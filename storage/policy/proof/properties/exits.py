"""What must hold of the end of a tenant's data after its contract."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from storage.model import Agreement, RosterEntry, TenantExit
from storage.policy.proof.properties import Cause, Property, Violation, of_one_reason
from storage.policy.proof.properties.granting import may_act


class Step(StrEnum):
    """What somebody does about an exit."""

    CHOOSE = "choose"
    NOTIFY = "notify"
    CONFIRM = "confirm"
    CARRY_OUT = "carry_out"


@dataclass(frozen=True, slots=True)
class Facts:
    """A step of an exit. ``person``: who takes it; of a worker nothing is asked.

    ``agreements``: those of the tenant that nothing supersedes.
    """

    step: Step
    found: TenantExit
    person: RosterEntry | None
    today: date
    newest: bool
    agreements: Sequence[Agreement]
    recovering: bool


def of_step(facts: Facts, reason: str | None) -> Iterator[Violation]:
    """Yield each violation of a decision. ``reason``: why not; None: it is allowed."""
    sentence = (
        f"The step {facts.step} of the choice to {facts.found.kind} on {facts.found.on}, "
        f"taken on {facts.today},"
    )
    return of_one_reason(Property.EXIT, sentence, tuple(_against(facts)), reason)


def _against(facts: Facts) -> Iterator[Cause]:
    step, found = facts.step, facts.found
    if step is not Step.CARRY_OUT and not may_act(facts.person, facts.today):
        yield "person_not_in_force", "nobody of the roster who may act takes it"
    if step in (Step.CHOOSE, Step.NOTIFY) and found.on <= facts.today:
        yield "day_not_ahead", "its day is not ahead"
    if step is Step.CHOOSE:
        return
    if not facts.newest:
        yield "replaced", "there is a newer choice"
    if found.state == "carried_out":
        yield "carried_out", "it is carried out"
    if step is Step.CONFIRM:
        yield from _against_confirming(facts)
    if step is Step.CARRY_OUT:
        yield from _against_carrying_out(facts)


def _against_confirming(facts: Facts) -> Iterator[Cause]:
    if facts.found.state == "lapsed":
        yield "lapsed", "it was for an earlier contract"
    if facts.found.state == "chosen":
        yield "notice_missing", "the customer had no notice"
    if facts.person is not None and facts.person.actor == facts.found.requested_by:
        yield "confirmer_requested_it", "the same person recorded it"


def _against_carrying_out(facts: Facts) -> Iterator[Cause]:
    if facts.today < facts.found.on:
        yield "day_ahead", "its day has not come"
    if facts.found.state == "lapsed" or any(_was_in_force(one, facts) for one in facts.agreements):
        yield "lapsed", "data could be processed on its day or since"
    if facts.found.state in ("chosen", "notified"):
        yield "not_confirmed", "no second person has confirmed it"
    for one in facts.agreements:
        if one.kind == "dpa" and (one.until is None or facts.today < one.until):
            yield "agreement_in_force", "data may be processed, or will be"
    if facts.recovering:
        yield "recovering", "the catalog may lack an agreement"


def _was_in_force(one: Agreement, facts: Facts) -> bool:
    """Return whether data could be processed on a day from that of the choice until today."""
    days = range((facts.today - facts.found.on).days + 1)
    return one.kind == "dpa" and any(one.in_force(facts.found.on + timedelta(n)) for n in days)
