"""Decide who may be in the roster, and who may request and approve a grant for what.

The catalog repeats in SQL what must hold against a person with a login and raw SQL, and refuses
with the same reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from regions.model import Purpose, Topology
from storage.errors import GrantRefused
from storage.model import (
    CODE_ADVICE,
    GRANT_PURPOSES,
    KEEPER,
    STAFF,
    ActorKind,
    Grant,
    GrantSpec,
    RosterEntry,
    RosterSpec,
    TenantSpec,
    Trait,
    count_named,
)


class GrantReason(StrEnum):
    """Why an entry in the roster or a grant is refused."""

    # who asks
    WRONG_TIME = "wrong_time"
    LOGIN_NOT_IN_FORCE = "login_not_in_force"
    NOT_ROSTER_KEEPER = "not_roster_keeper"
    # entries
    OWN_ENTRY = "own_entry"
    LOGIN_TAKEN = "login_taken"
    NOT_FOR_CUSTOMERS = "not_for_customers"
    NOT_A_CODE = "not_a_code"
    NO_AGREEMENT = "no_agreement"
    ROSTER_FULL = "roster_full"
    # requests
    UNKNOWN_TENANT = "unknown_tenant"
    PURPOSE_NOT_GRANTED = "purpose_not_granted"
    NO_HUMAN_REVIEW = "no_human_review"
    ACTOR_NOT_IN_FORCE = "actor_not_in_force"
    OUTSIDE_RESIDENCY = "outside_residency"
    EMPLOYER_OBJECTED = "employer_objected"
    HOLD_MISSING = "hold_missing"
    HOLD_WITHOUT_LEGAL = "hold_without_legal"
    HOLD_NOT_IN_FORCE = "hold_not_in_force"
    CASE_MISSING = "case_missing"
    WIDER_THAN_SAID = "wider_than_said"
    # approvals
    APPROVER_IS_REQUESTER = "approver_is_requester"
    APPROVER_IS_USER = "approver_is_user"
    NOT_THE_CUSTOMER = "not_the_customer"
    # uses
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_APPROVED = "not_approved"
    CUSTOMER_HAS_NOT_APPROVED = "customer_has_not_approved"
    EXHAUSTED = "exhausted"
    ANOTHER_ACTOR = "another_actor"


_LOGIN = "Connect with your own login (catalog_url), which a roster keeper enters for you."
_ANEW = "Request another grant: domicile grant request"
_TEXTS: Final[Mapping[GrantReason, tuple[str, str]]] = {  # what happened and why; what to do
    GrantReason.WRONG_TIME: (
        "The clock of this process is more than a minute from that of the catalog.",
        "Correct the clock of this machine.",
    ),
    GrantReason.LOGIN_NOT_IN_FORCE: (
        "The login to the catalog is not that of a person who is in the roster and may act today.",
        _LOGIN,
    ),
    GrantReason.NOT_ROSTER_KEEPER: (
        f"Entries in the roster are made by people with the role {KEEPER}.",
        "Ask one of them. If none is left, the owner of the catalog enters one.",
    ),
    GrantReason.OWN_ENTRY: (
        "Nobody makes an entry about himself.",
        "Ask another roster keeper.",
    ),
    GrantReason.LOGIN_TAKEN: (
        "The login is or was that of another actor.",
        "Have a new login made for this actor. A login stays its first actor's forever.",
    ),
    GrantReason.NOT_FOR_CUSTOMERS: (
        "The service of a customer is not in the roster.",
        "Enter an employee, a contractor or a machine.",
    ),
    GrantReason.NOT_A_CODE: (
        "What the log says of an actor or a case must be a code.",
        CODE_ADVICE,
    ),
    GrantReason.NO_AGREEMENT: (
        "A contractor needs a confidentiality agreement.",
        "Give the SHA-256 of the signed document.",
    ),
    GrantReason.ROSTER_FULL: (
        "The roster has as many people as staff_max of the region allows.",
        "End the entry of somebody who needs no access any more, or raise staff_max.",
    ),
    GrantReason.UNKNOWN_TENANT: (
        "The tenant is not at home in this region.",
        "Check the tenant id.",
    ),
    GrantReason.PURPOSE_NOT_GRANTED: (
        "No grant is made for that purpose.",
        f"Use one of: {', '.join(sorted(GRANT_PURPOSES))}.",
    ),
    GrantReason.NO_HUMAN_REVIEW: (
        "The customer allows nobody to look into its content for abuse.",
        "No grant for abuse_investigation is made while the tenant has that trait.",
    ),
    GrantReason.ACTOR_NOT_IN_FORCE: (
        "The user of the grant is not a person who is in the roster and may act today.",
        "See: domicile roster list",
    ),
    GrantReason.OUTSIDE_RESIDENCY: (
        "The user of the grant works outside of the tenant's residency: reading is a transfer.",
        "Choose somebody who works in a jurisdiction of the residency.",
    ),
    GrantReason.EMPLOYER_OBJECTED: (
        "The tenant objects to the company that the user of the grant works for.",
        "Choose somebody of another company.",
    ),
    GrantReason.HOLD_MISSING: (
        "A grant for the purpose legal needs a hold.",
        "Name the hold; see: domicile hold list",
    ),
    GrantReason.HOLD_WITHOUT_LEGAL: (
        "Only a grant for the purpose legal is under a hold.",
        "Leave out the hold, and say which records.",
    ),
    GrantReason.HOLD_NOT_IN_FORCE: (
        "The hold is not in force, or is another tenant's.",
        "See: domicile hold list",
    ),
    GrantReason.CASE_MISSING: (
        "A grant for this purpose needs a case.",
        "Give your reference of the case; no personal data.",
    ),
    GrantReason.WIDER_THAN_SAID: (
        "The grant would open more than the one record, subject or group that it says.",
        "Request one for each, or one for any record of the tenant.",
    ),
    GrantReason.APPROVER_IS_REQUESTER: (
        "You requested this grant, so you cannot approve it.",
        "Ask somebody else of the roster.",
    ),
    GrantReason.APPROVER_IS_USER: (
        "The grant is for you, so you cannot approve it.",
        "Ask somebody else of the roster.",
    ),
    GrantReason.NOT_THE_CUSTOMER: (
        "A person of the roster cannot approve for a customer.",
        "The tenant's own service approves it, for the customer.",
    ),
    GrantReason.REVOKED: ("The grant was revoked.", _ANEW),
    GrantReason.EXPIRED: ("The time of the grant is over.", _ANEW),
    GrantReason.NOT_APPROVED: (
        "Nobody has approved the grant.",
        "Ask a second person: domicile grant approve",
    ),
    GrantReason.CUSTOMER_HAS_NOT_APPROVED: (
        "The customer has not approved the grant, which its terms require.",
        "The tenant's own service approves it, for the customer.",
    ),
    GrantReason.EXHAUSTED: ("As many records as the grant allows were opened under it.", _ANEW),
    GrantReason.ANOTHER_ACTOR: (
        "The grant is another person's.",
        "Request one for this person: domicile grant request",
    ),
}


@dataclass(frozen=True, slots=True)
class Granting:
    """Whether an entry, a request or an approval is allowed: it is if there is no reason not to."""

    reasons: tuple[GrantReason, ...]

    @property
    def allowed(self) -> bool:
        """Whether it is allowed."""
        return not self.reasons

    def demand(self) -> None:
        """Raise GrantRefused unless it is allowed."""
        if self.reasons:
            raise self.error()

    def error(self) -> GrantRefused:
        """Return the error with all reasons."""
        said = " ".join(_TEXTS[reason][0] for reason in self.reasons)
        advice = " ".join(dict.fromkeys(_TEXTS[reason][1] for reason in self.reasons))
        return GrantRefused(said, reasons=self.reasons, advice=advice)


def may_enter(new: RosterSpec, *, others: int, staff_max: int, today: date) -> Granting:
    """Decide whether an entry may be made in a roster.

    ``others``: how many other people may act today or later.
    """
    return Granting(tuple(_against_entry(new, others, staff_max, today)))


def _against_entry(
    new: RosterSpec, others: int, staff_max: int, today: date
) -> Iterator[GrantReason]:
    if new.kind is ActorKind.CUSTOMER:
        yield GrantReason.NOT_FOR_CUSTOMERS
    if new.kind is ActorKind.CONTRACTOR and new.agreement is None:
        yield GrantReason.NO_AGREEMENT
    may_act = not new.suspended and (new.until is None or new.until > today)
    if new.kind in STAFF and may_act and others >= staff_max:
        yield GrantReason.ROSTER_FULL


def may_request(
    topology: Topology,
    tenant: TenantSpec,
    asked: GrantSpec,
    *,
    requester: RosterEntry | None,
    user: RosterEntry | None,
    objections: frozenset[str],
    hold_in_force: bool,
    today: date,
) -> Granting:
    """Decide whether a grant may be requested, with every reason against it.

    ``requester``: the person of the session. ``user``: the entry of the actor who is to use it.
    ``hold_in_force``: the named hold is the tenant's, and in force.
    """
    reasons = [
        *(() if _person(requester, today) else (GrantReason.LOGIN_NOT_IN_FORCE,)),
        *_against_purpose(tenant, asked, hold_in_force=hold_in_force),
        *_against_user(topology, tenant, user, objections, today),
    ]
    return Granting(tuple(reasons))


def _against_purpose(
    tenant: TenantSpec, asked: GrantSpec, *, hold_in_force: bool
) -> Iterator[GrantReason]:
    purpose = asked.purpose
    if purpose not in GRANT_PURPOSES:
        yield GrantReason.PURPOSE_NOT_GRANTED
        return
    if purpose is Purpose.ABUSE_INVESTIGATION and not looked_into(tenant.traits):
        yield GrantReason.NO_HUMAN_REVIEW
    if purpose is not Purpose.LEGAL and asked.hold is not None:
        yield GrantReason.HOLD_WITHOUT_LEGAL
    if purpose is Purpose.LEGAL and asked.hold is None:
        yield GrantReason.HOLD_MISSING
    elif purpose is Purpose.LEGAL and not hold_in_force:
        yield GrantReason.HOLD_NOT_IN_FORCE
    if purpose is not Purpose.ABUSE_INVESTIGATION and asked.case is None:
        yield GrantReason.CASE_MISSING


def _against_user(
    topology: Topology,
    tenant: TenantSpec,
    user: RosterEntry | None,
    objections: frozenset[str],
    today: date,
) -> Iterator[GrantReason]:
    if user is None or not _person(user, today):
        yield GrantReason.ACTOR_NOT_IN_FORCE
        return
    if user.kind is ActorKind.CONTRACTOR and user.agreement is None:
        yield GrantReason.NO_AGREEMENT
    residency = topology.residencies.get(tenant.residency)
    if residency is None or user.location not in residency.jurisdictions:
        yield GrantReason.OUTSIDE_RESIDENCY
    if user.employer in objections:
        yield GrantReason.EMPLOYER_OBJECTED


def may_approve(grant: Grant, approver: RosterEntry | None, now: datetime) -> Granting:
    """Decide whether the person of the session may approve a grant, with every reason against."""
    if approver is None or not _person(approver, now.date()):
        return Granting((GrantReason.LOGIN_NOT_IN_FORCE,))
    against = {
        GrantReason.WIDER_THAN_SAID: count_named(grant.scope, grant.sought) > 1,
        GrantReason.APPROVER_IS_REQUESTER: approver.actor == grant.requester,
        GrantReason.APPROVER_IS_USER: approver.actor == grant.actor,
        GrantReason.REVOKED: grant.revoked is not None,
        GrantReason.EXPIRED: now >= grant.until,
    }
    return Granting(tuple(reason for reason, applies in against.items() if applies))


def looked_into(traits: frozenset[Trait]) -> bool:
    """Return whether people may look into a tenant's content for abuse."""
    return not traits & {Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING}


def customer_must_approve(purpose: Purpose, traits: frozenset[Trait]) -> bool:
    """Return whether the customer itself must approve a grant. For ``legal`` it never must."""
    if purpose is Purpose.LEGAL:
        return False
    asks = Trait.CUSTOMER_APPROVED in traits
    return asks or (purpose is Purpose.SUBJECT_REQUEST and not looked_into(traits))


def _person(entry: RosterEntry | None, on: date) -> bool:
    return entry is not None and entry.kind in STAFF and entry.in_force(on)
