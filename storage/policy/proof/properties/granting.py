"""What must hold of who is in the roster, and of who requests and approves a grant."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from regions.model import Purpose
from regions.words import with_article
from storage.model import (
    ActorKind,
    Grant,
    GrantSpec,
    RosterEntry,
    RosterSpec,
    ScopeKind,
    Trait,
)
from storage.policy.proof.properties import Cause, Property, Violation, of_every_reason

_PEOPLE = (ActorKind.EMPLOYEE, ActorKind.CONTRACTOR)
_GRANTED = (Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST, Purpose.LEGAL)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a grant. ``permitted``: where the residency permits data; None: unknown."""

    asked: GrantSpec
    traits: frozenset[Trait]
    permitted: frozenset[str] | None
    requester: RosterEntry | None
    user: RosterEntry | None
    objections: Collection[str]
    hold_in_force: bool
    today: date


def of_request(facts: Request, reasons: Collection[str]) -> Iterator[Violation]:
    """Yield each violation of a decision on a request."""
    sentence = f"The request of a grant for {facts.asked.purpose}"
    against = (*_against_people(facts), *_against_purpose(facts))
    yield from of_every_reason(Property.TWO_PEOPLE, sentence, against, reasons)


def _against_people(facts: Request) -> Iterator[Cause]:
    if not may_act(facts.requester, facts.today):
        yield "login_not_in_force", "its requester is nobody of the roster who may act"
    user = facts.user
    if user is None or not may_act(user, facts.today):
        yield "actor_not_in_force", "its user is nobody of the roster who may act"
        return
    if user.kind is ActorKind.CONTRACTOR and user.agreement is None:
        yield "no_agreement", "its user is a contractor without an agreement"
    if facts.permitted is None or user.location not in facts.permitted:
        yield "outside_residency", "its user is outside of the residency"
    if user.employer in facts.objections:
        yield "employer_objected", "the tenant objects to the employer of its user"


def _against_purpose(facts: Request) -> Iterator[Cause]:
    asked = facts.asked
    if asked.purpose not in _GRANTED:
        yield "purpose_not_granted", "no grant is made for it"
        return
    closed = {Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING} & facts.traits
    if asked.purpose is Purpose.ABUSE_INVESTIGATION:
        if closed:
            yield "no_human_review", "nobody looks into this tenant for abuse"
    elif asked.case is None:
        yield "case_missing", "it names no case"
    if asked.purpose is not Purpose.LEGAL:
        if asked.hold is not None:
            yield "hold_without_legal", "it names a hold"
    elif asked.hold is None:
        yield "hold_missing", "it names no hold"
    elif not facts.hold_in_force:
        yield "hold_not_in_force", "its hold is not in force"


def of_approval(
    grant: Grant, approver: RosterEntry | None, now: datetime, reasons: Collection[str]
) -> Iterator[Violation]:
    """Yield each violation of a decision on an approval."""
    against = tuple(_against_approval(grant, approver, now))
    yield from of_every_reason(Property.TWO_PEOPLE, "The approval of a grant", against, reasons)


def _against_approval(grant: Grant, approver: RosterEntry | None, now: datetime) -> Iterator[Cause]:
    if approver is None or not may_act(approver, now.date()):
        yield "login_not_in_force", "its approver is nobody of the roster who may act"
        return
    if not _names_one(grant):
        yield "wider_than_said", "it is for more than the one that it was asked for"
    if approver.actor == grant.requester:
        yield "approver_is_requester", "its approver requested it"
    if approver.actor == grant.actor:
        yield "approver_is_user", "its approver uses it"
    if grant.revoked is not None:
        yield "revoked", "it was revoked"
    if now >= grant.until:
        yield "expired", "it is over"


def _names_one(grant: Grant) -> bool:
    """Return whether a grant is for one record, subject or group, or a whole tenant."""
    if grant.scope is ScopeKind.RECORD:
        return len(grant.sought) < 2
    if grant.scope in {ScopeKind.SUBJECT, ScopeKind.GROUP}:
        versions = [name[0] for name in grant.sought]  # a name has one for each
        return len(versions) == len(set(versions))
    return True


def of_customer(
    purpose: Purpose, traits: frozenset[Trait], *, must: bool, looked: bool
) -> Iterator[Violation]:
    """Yield each violation of whether a customer must approve, and whether people may look."""
    closed = bool({Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING} & traits)
    named = " and ".join(sorted(traits)) or "no traits"
    if looked is closed:
        yield Violation(
            Property.TWO_PEOPLE,
            f"A tenant with {named} would {'' if looked else 'not '}be looked into for abuse.",
        )
    wanted = purpose is not Purpose.LEGAL and (
        Trait.CUSTOMER_APPROVED in traits or (purpose is Purpose.SUBJECT_REQUEST and closed)
    )
    if must is not wanted:
        which = Property.TWO_PEOPLE if wanted else Property.USABLE
        verb = "need" if must else "not need"
        yield Violation(
            which, f"A grant for {purpose} and a tenant with {named} would {verb} its approval."
        )


def of_entry(
    new: RosterSpec, others: int, staff_max: int, today: date, reasons: Collection[str]
) -> Iterator[Violation]:
    """Yield each violation of a decision on an entry in a roster."""
    sentence = f"The entry of {with_article(new.kind)} beside {others} people"
    against = tuple(_against_entry(new, others, staff_max, today))
    yield from of_every_reason(Property.ROSTER, sentence, against, reasons)


def _against_entry(new: RosterSpec, others: int, staff_max: int, today: date) -> Iterator[Cause]:
    if new.kind is ActorKind.CUSTOMER:
        yield "not_for_customers", "a customer is not in the roster"
    if new.kind is ActorKind.CONTRACTOR and new.agreement is None:
        yield "no_agreement", "a contractor needs an agreement"
    ended = new.until is not None and new.until <= today
    if new.kind in _PEOPLE and not new.suspended and not ended and others + 1 > staff_max:
        yield "roster_full", f"no more than {staff_max} may be in it"


def may_act(entry: RosterEntry | None, on: date) -> bool:
    """Whether somebody of the roster is a person who may act on a day."""
    if entry is None or entry.kind not in _PEOPLE or entry.suspended:
        return False
    return entry.since <= on and (entry.until is None or on < entry.until)
