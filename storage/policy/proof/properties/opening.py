"""What must hold of the opening of a record: what each purpose rests on."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from regions.model import ClassRule, DataClass, Form, Purpose, Service
from regions.words import begun_with_article, with_article
from storage.model import Actor, ActorKind, Approval, Grant, RosterEntry, ScopeKind, Trait
from storage.policy.proof.properties import Property, Violation, epochs

_LONGEST = timedelta(minutes=5)
_NO_REVIEW = frozenset({Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING})
_PEOPLE = frozenset({ActorKind.EMPLOYEE, ActorKind.CONTRACTOR})
_SILENT = "not_opted_in"
_TELLING = "no_subject", "opted_out"  # they say more than that
_FIRST = ("not_held", "erased", "expired")
"""Reasons that hide all others: of what is gone nothing else is said."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a reading for training rests on: until when it counts, and what it says.

    ``objections``: companies that the tenant objects to. ``held``: a hold covers the record.
    """

    until: datetime
    objections: frozenset[str]
    held: bool
    use: epochs.Facts


@dataclass(frozen=True, slots=True)
class Facts:
    """A case: a record, who asks for it, and what that rests on.

    ``known``: whether there is an authority at all. ``flags``: the rule of the class flag.
    ``login_of_person``: the process has one. ``training``: None: the reading is for no run.
    """

    rule: ClassRule | None
    flags: ClassRule | None
    tenant: str
    unique: bytes
    data_class: DataClass
    ends: datetime | None
    fenced: bool
    subject: bytes | None
    group: bytes | None
    held_by: frozenset[UUID]
    flagged: bool
    to_return: bool
    actor: Actor
    purpose: Purpose | Service
    now: datetime
    known: bool
    entry: RosterEntry | None
    grant: Grant | None
    residency: frozenset[str]
    traits: frozenset[Trait]
    opened_before: bool
    login_of_person: bool = False
    training: Training | None = None

    @property
    def sentence(self) -> str:
        """The beginning of a sentence about the case."""
        what = "moderation" if self.purpose is Service.MODERATION else self.purpose
        record, actor = begun_with_article(self.data_class), with_article(self.actor.kind)
        return f"{record} asked for by {actor} for {what}"


@dataclass(frozen=True, slots=True)
class Permitted:
    """A permit that was given."""

    tenant: str
    unique: bytes
    purpose: str
    actor: Actor
    grant: UUID | None
    until: datetime


def of_opening(facts: Facts, permit: Permitted | None, reason: str) -> Iterator[Violation]:
    """Yield each violation of an opening."""
    against = tuple(_against(facts))
    yield from _of_ground(facts.sentence, permit, against, reason)
    if permit is not None:
        yield from _of_permit(facts, permit)


def of_flags(facts: Facts, permit: Permitted | None, reason: str) -> Iterator[Violation]:
    """Yield each violation of an opening of the flags of a record."""
    against = [*_against(facts), *_against_class(facts, facts.flags)]
    sentence = f"The flags of a{facts.sentence[1:]}"
    yield from _of_ground(sentence, permit, tuple(against), reason)


def _of_ground(
    sentence: str,
    permit: Permitted | None,
    against: tuple[tuple[str, str], ...],
    reason: str,
) -> Iterator[Violation]:
    if permit is not None:
        for _, why in against:
            yield Violation(Property.GROUND, f"{sentence} would be opened, although {why}.")
    elif not against:
        yield Violation(Property.USABLE, f"{sentence} would be refused ({reason}).")
    elif reason not in {code for code, _ in against}:
        yield Violation(
            Property.REASONS, f"{sentence} would be refused as {reason}, which is not so."
        )
    elif reason == _SILENT and (telling := [why for code, why in against if code in _TELLING]):
        yield Violation(
            Property.REASONS, f"{sentence} would be refused as {reason}, although {telling[0]}."
        )
    elif against[0][0] in _FIRST and reason != against[0][0]:
        yield Violation(
            Property.REASONS, f"{sentence} would be refused as {reason}, although {against[0][1]}."
        )


def _of_permit(facts: Facts, permit: Permitted) -> Iterator[Violation]:
    """A permit is for what was asked, and ends with all that it rests on."""
    person = facts.grant if facts.known else None
    asked = facts.tenant, facts.unique, facts.purpose, facts.actor, person and person.id
    given = permit.tenant, permit.unique, permit.purpose, permit.actor, permit.grant
    if asked != given:
        yield Violation(
            Property.PERMIT, f"{facts.sentence} would be opened with a permit for something else."
        )
    ends = [facts.now + _LONGEST]
    if person is not None:
        ends.append(person.until)
    if facts.purpose is not Purpose.LEGAL and facts.ends is not None:
        ends.append(facts.ends)
    if facts.purpose is Purpose.TRAIN and facts.training is not None:
        ends.append(facts.training.until)
    if permit.until != min(ends):
        yield Violation(
            Property.PERMIT,
            f"{facts.sentence} would be opened until {permit.until}, not until {min(ends)}.",
        )


def _against(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield all that is against an opening: its reason, and the end of a sentence."""
    if facts.purpose is Purpose.LEGAL:
        if not facts.held_by:
            yield "not_held", "no hold in force covers it"
    else:
        if facts.fenced:
            yield "erased", "it was erased"
        if facts.ends is not None and facts.now >= facts.ends:
            yield "expired", "its time is over"
    yield from _against_class(facts, facts.rule)
    if facts.to_return and facts.purpose not in (Purpose.SERVE, Purpose.LEGAL):
        yield "for_return_alone", "no data processing agreement is in force"
    yield from _against_actor(facts)
    if facts.purpose is Purpose.TRAIN:
        yield from _against_training(facts)


def _against_training(facts: Facts) -> Iterator[tuple[str, str]]:
    run = facts.training
    if run is None:
        yield "no_run", "it is for no run"
        return
    if facts.now >= run.until:
        yield "consent_stale", "what is known of consent is too old"
    if facts.actor.employer in run.objections:
        yield "company_objected_to", "the tenant objects to the company"
    if run.held:
        yield "held", "a hold keeps it"
    if facts.flagged:
        yield "flagged", "it is flagged"
    for code in epochs.against_use(run.use):
        yield code, f"of {code}: a record of {run.use.origin}, used on {run.use.today}"


def _against_class(facts: Facts, rule: ClassRule | None) -> Iterator[tuple[str, str]]:
    if facts.purpose is Purpose.LEGAL:
        return
    if rule is None:
        yield "unknown_class", "its class is unknown"
        return
    if isinstance(facts.purpose, Purpose):
        if facts.purpose not in rule.purposes:
            yield "purpose_not_allowed", f"the class {rule.name} does not name the purpose"
        return
    given = [one for one in rule.handed_to if one.service is facts.purpose]
    if not given:
        yield "service_not_allowed", f"the class {rule.name} is handed to no {facts.purpose}"
        return
    if given[0].form is not Form.RAW:
        yield "form_not_available", f"only {given[0].form} content may be handed over"
    if given[0].only == "flagged" and not facts.flagged:
        yield "not_flagged", "only what is flagged may be handed over"


def _against_actor(facts: Facts) -> Iterator[tuple[str, str]]:
    kinds: dict[Purpose | Service, Collection[ActorKind]] = {
        Purpose.SERVE: {ActorKind.CUSTOMER},
        Purpose.FINE_TUNE: {ActorKind.CUSTOMER},
        Purpose.TRAIN: {ActorKind.MACHINE},
        Purpose.ABUSE_SCREENING: {ActorKind.MACHINE},
        Purpose.ABUSE_INVESTIGATION: _PEOPLE,
        Purpose.SUBJECT_REQUEST: _PEOPLE,
        Purpose.LEGAL: _PEOPLE,
    }
    either = {ActorKind.CUSTOMER, ActorKind.MACHINE}
    if facts.actor.kind not in kinds.get(facts.purpose, either):
        actor = with_article(facts.actor.kind)
        yield "actor_not_allowed", f"{actor} opens nothing for that purpose"
    if facts.login_of_person and facts.actor.kind not in _PEOPLE:
        yield "login_of_person", "the login of the process is that of a person"
    if facts.actor.kind is ActorKind.CUSTOMER:
        return
    yield from _against_entry(facts)
    if facts.actor.kind in _PEOPLE:
        yield from _against_grant(facts)


def _against_entry(facts: Facts) -> Iterator[tuple[str, str]]:
    entry, actor = facts.entry if facts.known else None, facts.actor
    if entry is None:
        yield "unknown_actor", "the roster does not have the actor"
        return
    said = {"id": entry.actor, "kind": entry.kind}
    said |= {"employer": entry.employer, "location": entry.location}
    if any(getattr(actor, name) != value for name, value in said.items()):
        yield "actor_differs", "the roster says something else of the actor"
    today = facts.now.date()
    if today < entry.since or (entry.until is not None and today >= entry.until):
        yield "actor_not_in_force", "the actor may not act on that day"
    if entry.suspended:
        yield "actor_not_in_force", "the actor is suspended"
    if actor.kind is ActorKind.CONTRACTOR and entry.agreement is None:
        yield "actor_without_agreement", "the contractor has signed no agreement"
    if actor.location not in facts.residency:
        yield "outside_residency", f"it would be read from {actor.location}"


def _against_grant(facts: Facts) -> Iterator[tuple[str, str]]:
    grant = facts.grant if facts.known else None
    if grant is None:
        yield "no_grant", "there is no grant"
        return
    yield from _against_asked(facts, grant)
    if grant.revoked is not None:
        yield "grant_revoked", "the grant was revoked"
    if facts.now >= grant.until:
        yield "grant_expired", "the grant is over"
    if grant.used >= grant.records_max and not facts.opened_before:
        yield "grant_exhausted", "the grant is used up"
    if not _second_person(grant):
        yield "grant_not_approved", "no second person approved the grant"
    asked = any(one.for_customer for one in grant.approvals)
    if grant.customer_must_approve and not asked:
        yield "grant_not_approved", "the customer, who must, has not approved the grant"
    if not _covers(grant, facts):
        yield "outside_grant", "the grant does not cover it"
    yield from _against_customer(facts, grant, asked=asked)


def _against_asked(facts: Facts, grant: Grant) -> Iterator[tuple[str, str]]:
    if grant.actor != facts.actor.id:
        yield "grant_for_another", "the grant is another person's"
    if grant.tenant != facts.tenant:
        yield "grant_for_another", "the grant is for another tenant"
    if grant.purpose is not facts.purpose:
        yield "grant_for_another", "the grant is for another purpose"


def _second_person(grant: Grant) -> bool:
    """Whether somebody approved who neither asked for the grant nor uses it."""

    def is_second(one: Approval) -> bool:
        return not one.for_customer and one.actor not in {grant.actor, grant.requester}

    return any(map(is_second, grant.approvals))


def _covers(grant: Grant, facts: Facts) -> bool:
    if facts.purpose is Purpose.LEGAL:
        return grant.hold is not None and grant.hold in facts.held_by
    sought = {
        ScopeKind.SUBJECT: facts.subject,
        ScopeKind.GROUP: facts.group,
        ScopeKind.RECORD: facts.unique,
    }
    if grant.scope in sought:
        return sought[grant.scope] is not None and sought[grant.scope] in grant.sought
    return grant.scope is ScopeKind.TENANT


def _against_customer(facts: Facts, grant: Grant, *, asked: bool) -> Iterator[tuple[str, str]]:
    """Look at what the customer asked for, as it is now."""
    closed, must = facts.traits & _NO_REVIEW, Trait.CUSTOMER_APPROVED in facts.traits
    if facts.purpose is Purpose.SUBJECT_REQUEST and (closed or must) and not asked:
        yield "customer_not_asked", "the customer has not approved that anybody looks"
    if facts.purpose is not Purpose.ABUSE_INVESTIGATION:
        return
    if closed:
        yield "no_human_review", "the customer allows nobody to look for abuse"
    if must and not asked:
        yield "customer_not_asked", "the customer has not approved that anybody looks"
    if not facts.flagged and grant.case is None:
        yield "not_flagged", "it is not flagged, and there is no case"
