"""Decide whether a record may be opened, by whom, and for which purpose.

``may_open`` alone mints a Permit, and the key ring gives the key of a record only against one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from regions.model import ClassRule, DataClass, Form, Purpose, Service, Topology
from storage.errors import DomicileError, Erased, Expired, PurposeRefused
from storage.model import Actor, ActorKind, Grant, GrantState, RosterEntry, ScopeKind, Trait, utc
from storage.model.grants import GRANT_PURPOSES
from storage.policy.training import Ground, against_training

PERMIT_LIFE: Final = timedelta(minutes=5)
"""How long a permit is good for. Each read asks for another."""

_CUSTOMER, _MACHINE = ActorKind.CUSTOMER, ActorKind.MACHINE
_PEOPLE = frozenset({ActorKind.EMPLOYEE, ActorKind.CONTRACTOR})

OPENERS: Final[Mapping[Purpose, frozenset[ActorKind]]] = {
    Purpose.SERVE: frozenset({_CUSTOMER}),
    Purpose.FINE_TUNE: frozenset({_CUSTOMER}),
    Purpose.TRAIN: frozenset({_MACHINE}),  # for a run: see ``Ground``
    Purpose.ABUSE_SCREENING: frozenset({_MACHINE}),
    Purpose.ABUSE_INVESTIGATION: _PEOPLE,
    Purpose.SUBJECT_REQUEST: _PEOPLE,
    Purpose.LEGAL: _PEOPLE,
}
"""Which actors open content for a purpose."""

_HANDERS = frozenset({_CUSTOMER, _MACHINE})
AFTER_THE_END: Final = frozenset({Purpose.SERVE, Purpose.LEGAL})
"""For what content is opened that is there to be returned alone."""
_CLOSED = frozenset({Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING})


class AccessReason(StrEnum):
    """Why a record may or may not be opened."""

    ALLOWED = "allowed"
    ERASED = "erased"
    EXPIRED = "expired"
    UNKNOWN_CLASS = "unknown_class"
    PURPOSE_NOT_ALLOWED = "purpose_not_allowed"  # for the class
    SERVICE_NOT_ALLOWED = "service_not_allowed"  # for the class
    FORM_NOT_AVAILABLE = "form_not_available"  # the service gets a form that nothing makes yet
    SCREENING_ONLY = "screening_only"  # the purpose gives flags: content goes to a classifier alone
    ACTOR_NOT_ALLOWED = "actor_not_allowed"  # for the purpose: it is of another kind
    LOGIN_OF_PERSON = "login_of_person"  # the process has one: it opens as that person alone
    NOT_HELD = "not_held"  # the named hold is not in force, or does not cover the record
    UNKNOWN_ACTOR = "unknown_actor"  # the roster does not have it
    ACTOR_DIFFERS = "actor_differs"  # from what the roster says of it
    ACTOR_NOT_IN_FORCE = "actor_not_in_force"  # not yet, not any more, or suspended
    ACTOR_WITHOUT_AGREEMENT = "actor_without_agreement"  # a contractor needs one
    OUTSIDE_RESIDENCY = "outside_residency"  # reading from there would be a transfer
    NO_GRANT = "no_grant"
    GRANT_FOR_ANOTHER = "grant_for_another"  # actor, tenant or purpose
    OUTSIDE_GRANT = "outside_grant"  # the record is not in its scope
    GRANT_NOT_APPROVED = "grant_not_approved"
    GRANT_EXPIRED = "grant_expired"
    GRANT_EXHAUSTED = "grant_exhausted"
    GRANT_REVOKED = "grant_revoked"
    NO_HUMAN_REVIEW = "no_human_review"  # the tenant is not looked into for abuse
    CUSTOMER_NOT_ASKED = "customer_not_asked"  # the tenant's own approval is missing
    NOT_FLAGGED = "not_flagged"  # and there is no case, or a service gets only what is
    FOR_RETURN_ALONE = "for_return_alone"  # no data processing agreement is in force any more
    # training
    NO_RUN = "no_run"  # a training read names its run, and rests on consent that was read for it
    CONSENT_STALE = "consent_stale"  # what is known of consent is too old
    COMPANY_OBJECTED_TO = "company_objected_to"  # the tenant objects to who runs the machine
    HELD = "held"  # a legal hold keeps it for its authority
    FLAGGED = "flagged"
    ORIGIN_AHEAD = "origin_ahead"
    ORIGIN_UNSTATED = "origin_unstated"  # the epoch of the record states no rule
    TODAY_UNSTATED = "today_unstated"
    NOT_OPTED_IN = "not_opted_in"
    OPTED_OUT = "opted_out"
    NO_SUBJECT = "no_subject"  # each subject is asked, and the record is about none


OF_ONE_RECORD: Final = frozenset(
    {
        *(AccessReason.ERASED, AccessReason.EXPIRED, AccessReason.HELD, AccessReason.FLAGGED),
        *(AccessReason.ORIGIN_AHEAD, AccessReason.ORIGIN_UNSTATED, AccessReason.NOT_OPTED_IN),
        *(AccessReason.OPTED_OUT, AccessReason.NO_SUBJECT),
    }
)
"""Why one record is not handed out for training, though others may be."""


GRANT_REASONS: Final[Mapping[GrantState, AccessReason]] = {
    GrantState.REQUESTED: AccessReason.GRANT_NOT_APPROVED,
    GrantState.EXPIRED: AccessReason.GRANT_EXPIRED,
    GrantState.EXHAUSTED: AccessReason.GRANT_EXHAUSTED,
    GrantState.REVOKED: AccessReason.GRANT_REVOKED,
}
"""Why a grant in that state opens nothing."""

_GRANT_ADVICE = "See: domicile grant show"


@dataclass(frozen=True, slots=True)
class Permit:
    """The permission to open one record, once decided. Only ``may_open`` makes one."""

    tenant: str
    unique: bytes
    purpose: Purpose | Service
    actor: Actor
    grant: UUID | None
    until: datetime

    def covers(self, tenant: str, unique: bytes) -> bool:
        """Return whether it is for that record."""
        return (self.tenant, self.unique) == (tenant, unique)


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a record may be opened, and why. ``permit``: only if it may."""

    reason: AccessReason
    permit: Permit | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may be opened."""
        return self.permit is not None

    def demand(self) -> Permit:
        """Return the permit, or raise Erased, Expired or PurposeRefused."""
        if self.permit is not None:
            return self.permit
        raise self._error()

    def _error(self) -> DomicileError:
        match self.reason:
            case AccessReason.ERASED:
                return Erased()
            case AccessReason.EXPIRED:
                return Expired()
            case AccessReason.NOT_HELD:
                message = "That hold is not in force, or does not cover this record."
                advice = "See: domicile hold records"
            case _:
                message, advice = "", _ADVICE.get(self.reason, _GRANT_ADVICE)
        return PurposeRefused(message, reasons=(self.reason,), advice=advice)


_CLASSES = "classes.toml lists the purposes for which each class may be opened."
_ROSTER = "See: domicile roster list"
_EPOCHS = "epochs.toml says what training needs in each epoch."
_CONSENTS = "See: domicile consent list"
_ADVICE: Final[Mapping[AccessReason, str]] = {
    AccessReason.UNKNOWN_CLASS: _CLASSES,
    AccessReason.PURPOSE_NOT_ALLOWED: _CLASSES,
    AccessReason.SERVICE_NOT_ALLOWED: _CLASSES,
    AccessReason.FORM_NOT_AVAILABLE: _CLASSES,
    AccessReason.SCREENING_ONLY: "Use BoundTenant.screen: it hands content to a classifier.",
    AccessReason.ACTOR_NOT_ALLOWED: "Bind the tenant to an actor of the right kind.",
    AccessReason.LOGIN_OF_PERSON: "A service connects with the login of the service (catalog_url). "
    "A person opens under a grant: domicile grant request",
    AccessReason.UNKNOWN_ACTOR: _ROSTER,
    AccessReason.ACTOR_DIFFERS: _ROSTER,
    AccessReason.ACTOR_NOT_IN_FORCE: _ROSTER,
    AccessReason.ACTOR_WITHOUT_AGREEMENT: _ROSTER,
    AccessReason.OUTSIDE_RESIDENCY: "The tenant's residency says from where people may look.",
    AccessReason.NO_GRANT: "Request one: domicile grant request",
    AccessReason.NO_RUN: "Use store.training: it names a run.",
    AccessReason.CONSENT_STALE: "Try again.",
    AccessReason.COMPANY_OBJECTED_TO: "See: domicile tenant objections",
    AccessReason.HELD: "What a legal hold keeps is not trained on.",
    AccessReason.FLAGGED: "What a classifier flagged is not trained on.",
    AccessReason.ORIGIN_AHEAD: _EPOCHS,
    AccessReason.ORIGIN_UNSTATED: _EPOCHS,
    AccessReason.TODAY_UNSTATED: _EPOCHS,
    AccessReason.NOT_OPTED_IN: _CONSENTS,
    AccessReason.OPTED_OUT: _CONSENTS,
    AccessReason.NO_SUBJECT: _CONSENTS,
    AccessReason.FOR_RETURN_ALONE: "Record the renewed agreement: domicile tenant agreement add",
    AccessReason.NO_HUMAN_REVIEW: "The customer has asked that nobody looks into its content.",
}


@dataclass(frozen=True, slots=True)
class Openable:
    """What is known of a record that somebody asks to open.

    ``readable_until`` is from its Term (None: no end). ``fenced``: an erasure covers it.
    ``held_by``: the holds in force that cover it, as far as they were asked for. ``held``,
    ``origin``: whether any does, and the day on which its data came in, for training alone.
    ``to_return``: its tenant has no data processing agreement in force, so it is read to be
    returned alone.
    """

    tenant: str
    unique: bytes
    data_class: DataClass
    readable_until: datetime | None
    fenced: bool
    subject: bytes | None = None
    group: bytes | None = None
    held_by: frozenset[UUID] = frozenset()
    flagged: bool = False
    held: bool = False
    origin: date | None = None
    to_return: bool = False


@dataclass(frozen=True, slots=True)
class Authority:
    """What a person's opening rests on, as the catalog has it now.

    ``opened_before``: the grant was used for this record already. ``residency``: the jurisdictions
    that the tenant's residency allows; ``traits``: what the tenant asked for.
    """

    grant: Grant | None
    entry: RosterEntry | None
    residency: frozenset[str]
    traits: frozenset[Trait]
    opened_before: bool = False


def may_open(
    topology: Topology,
    record: Openable,
    actor: Actor,
    purpose: Purpose | Service,
    *,
    now: datetime,
    login_of_person: bool,
    authority: Authority | None = None,
    ground: Ground | None = None,
) -> Access:
    """Decide whether an actor may open a record now for that purpose.

    Give a service instead of a purpose to make a copy for a processor of that service. A person or
    a machine needs an ``authority``. ``login_of_person``: the login of the process is that of a
    person of the roster. If several reasons apply, an erasure comes first, then expiry
    (neither counts for ``legal``, which needs a hold), then class and purpose, then the agreement
    to process data, then the actor, then the grant. ``train`` needs a ``ground``; the
    permit ends when that is too old.
    """
    moment = utc(now)
    reason = _refusal(
        topology,
        record,
        actor,
        purpose,
        now=moment,
        login_of_person=login_of_person,
        authority=authority,
    )
    if reason is None and purpose is Purpose.TRAIN:
        reason = _for_training(topology, record, actor, ground, now=moment)
    if reason is not None:
        return Access(reason)
    grant = authority.grant if authority is not None else None
    ends = [moment + PERMIT_LIFE, *([grant.until] if grant is not None else [])]
    if ground is not None:
        ends.append(ground.until)
    if purpose is not Purpose.LEGAL and record.readable_until is not None:
        ends.append(utc(record.readable_until))
    number = grant.id if grant is not None else None
    permit = Permit(record.tenant, record.unique, purpose, actor, number, min(ends))
    return Access(AccessReason.ALLOWED, permit)


def may_open_flags(
    topology: Topology,
    record: Openable,
    actor: Actor,
    purpose: Purpose | Service,
    *,
    now: datetime,
    login_of_person: bool,
    authority: Authority | None = None,
) -> Access:
    """Decide whether an actor may open the flags of a record now for that purpose.

    The permit is for the record. Besides what ``may_open`` asks, the class ``flag`` must name the
    purpose. Nothing writes flags in a topology without that class.
    """
    access = may_open(
        topology,
        record,
        actor,
        purpose,
        now=now,
        login_of_person=login_of_person,
        authority=authority,
    )
    if not access.allowed:
        return access
    found = _for_class(topology, replace(record, data_class=DataClass.FLAG), purpose)
    return access if found is None else Access(found)


def _refusal(
    topology: Topology,
    record: Openable,
    actor: Actor,
    purpose: Purpose | Service,
    *,
    now: datetime,
    login_of_person: bool,
    authority: Authority | None,
) -> AccessReason | None:
    found = (
        _for_record(record, purpose, now)
        or _for_class(topology, record, purpose)
        or _for_agreement(record, purpose)
    )
    if found is not None:
        return found
    found = for_opener(actor, purpose, authority, now.date(), login_of_person=login_of_person)
    if found is not None or not actor.staff or isinstance(purpose, Service):
        return found
    assert authority is not None  # else for_opener found that
    return _for_grant(record, actor, purpose, authority, now)


def for_opener(
    actor: Actor,
    purpose: Purpose | Service,
    authority: Authority | None,
    on: date,
    *,
    login_of_person: bool,
) -> AccessReason | None:
    """Return why an actor may open nothing of a tenant for a purpose on that day, with any grant.

    None: it may, or a person may with the right grant.
    """
    kinds = _HANDERS if isinstance(purpose, Service) else OPENERS[purpose]
    if actor.kind not in kinds:
        return AccessReason.ACTOR_NOT_ALLOWED
    found = for_login(actor, login_of_person=login_of_person)
    if found is not None or actor.kind is _CUSTOMER:
        return found
    if authority is None:
        return AccessReason.UNKNOWN_ACTOR
    return for_actor(actor, authority.entry, authority.residency, on)


def _for_record(record: Openable, purpose: Purpose | Service, now: datetime) -> AccessReason | None:
    if purpose is Purpose.LEGAL:
        return None if record.held_by else AccessReason.NOT_HELD
    if record.fenced:
        return AccessReason.ERASED
    if record.readable_until is not None and now >= utc(record.readable_until):
        return AccessReason.EXPIRED
    return None


def _for_class(
    topology: Topology, record: Openable, purpose: Purpose | Service
) -> AccessReason | None:
    if isinstance(purpose, Purpose):
        return for_purpose(topology, record.data_class, purpose)
    rule = topology.classes.get(record.data_class)
    return AccessReason.UNKNOWN_CLASS if rule is None else _for_service(rule, record, purpose)


def for_purpose(topology: Topology, data_class: DataClass, purpose: Purpose) -> AccessReason | None:
    """Return why records of a class may not be opened for a purpose; None: they may."""
    if purpose is Purpose.LEGAL:
        return None  # what a hold keeps is opened by its authority, whatever the class says
    rule = topology.classes.get(data_class)
    if rule is None:
        return AccessReason.UNKNOWN_CLASS
    return None if purpose in rule.purposes else AccessReason.PURPOSE_NOT_ALLOWED


def _for_agreement(record: Openable, purpose: Purpose | Service) -> AccessReason | None:
    stops = record.to_return and purpose not in AFTER_THE_END
    return AccessReason.FOR_RETURN_ALONE if stops else None


def _for_service(rule: ClassRule, record: Openable, service: Service) -> AccessReason | None:
    """A permit opens the content as it was stored, so it is for no other form."""
    given = rule.given_to(service)
    if given is None:
        return AccessReason.SERVICE_NOT_ALLOWED
    if given.form is not Form.RAW:
        return AccessReason.FORM_NOT_AVAILABLE
    if given.only == "flagged" and not record.flagged:
        return AccessReason.NOT_FLAGGED
    return None


def for_login(actor: Actor, *, login_of_person: bool) -> AccessReason | None:
    """Return why a process with such a login may open nothing as an actor; None: it may.

    Whose grant a person uses, the catalog checks.
    """
    return AccessReason.LOGIN_OF_PERSON if login_of_person and not actor.staff else None


def for_actor(
    actor: Actor, entry: RosterEntry | None, residency: frozenset[str], on: date
) -> AccessReason | None:
    """Return why an actor of the roster may open nothing of a tenant on that day; None: it may."""
    if entry is None:
        return AccessReason.UNKNOWN_ACTOR
    if not entry.describes(actor):
        return AccessReason.ACTOR_DIFFERS
    if not entry.in_force(on):
        return AccessReason.ACTOR_NOT_IN_FORCE
    if actor.kind is ActorKind.CONTRACTOR and entry.agreement is None:
        return AccessReason.ACTOR_WITHOUT_AGREEMENT
    if actor.location not in residency:
        return AccessReason.OUTSIDE_RESIDENCY
    return None


def _for_grant(
    record: Openable, actor: Actor, purpose: Purpose, authority: Authority, now: datetime
) -> AccessReason | None:
    grant = authority.grant
    if grant is None:
        return AccessReason.NO_GRANT
    if (grant.actor, grant.tenant, grant.purpose) != (actor.id, record.tenant, purpose):
        return AccessReason.GRANT_FOR_ANOTHER
    state = grant.state(now)
    if state is not GrantState.IN_FORCE and not (
        state is GrantState.EXHAUSTED and authority.opened_before
    ):
        return GRANT_REASONS[state]
    if not _in_scope(grant, record):
        return AccessReason.OUTSIDE_GRANT
    return for_customer(grant, authority.traits, flagged=record.flagged)


def _for_training(
    topology: Topology, record: Openable, actor: Actor, ground: Ground | None, *, now: datetime
) -> AccessReason | None:
    if ground is None or record.origin is None:
        return AccessReason.NO_RUN
    if now >= ground.until:
        return AccessReason.CONSENT_STALE
    if actor.employer in ground.objections:
        return AccessReason.COMPANY_OBJECTED_TO
    if record.held:
        return AccessReason.HELD
    if record.flagged:
        return AccessReason.FLAGGED
    consent = ground.consent(record.data_class, record.origin, record.subject, now)
    against = against_training(topology, record.origin, consent, now.date())
    return None if against is None else AccessReason(against)


def _in_scope(grant: Grant, record: Openable) -> bool:
    if grant.purpose is Purpose.LEGAL:
        return grant.hold is not None and grant.hold in record.held_by
    match grant.scope:
        case ScopeKind.TENANT:
            return True
        case ScopeKind.SUBJECT:
            return record.subject is not None and record.subject in grant.sought
        case ScopeKind.GROUP:
            return record.group is not None and record.group in grant.sought
        case ScopeKind.RECORD:
            return record.unique in grant.sought
        case ScopeKind.ACCOUNT | ScopeKind.REGION | ScopeKind.CLASS:
            return False


def for_customer(grant: Grant, traits: frozenset[Trait], *, flagged: bool) -> AccessReason | None:
    """Return why a grant opens nothing of a customer, as its terms are today; None: it does.

    ``flagged``: a classifier has flagged the record.
    """
    if grant.purpose not in GRANT_PURPOSES or grant.purpose is Purpose.LEGAL:
        return None
    asked = any(approval.for_customer for approval in grant.approvals)
    if grant.purpose is Purpose.SUBJECT_REQUEST:
        wanted = traits & {Trait.CUSTOMER_APPROVED, *_CLOSED}
        return AccessReason.CUSTOMER_NOT_ASKED if wanted and not asked else None
    if traits & _CLOSED:
        return AccessReason.NO_HUMAN_REVIEW
    if Trait.CUSTOMER_APPROVED in traits and not asked:
        return AccessReason.CUSTOMER_NOT_ASKED
    return None if flagged or grant.case is not None else AccessReason.NOT_FLAGGED
