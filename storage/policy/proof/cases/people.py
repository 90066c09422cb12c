"""The states of an entry in the roster, and of a grant."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from regions.model import Purpose
from storage.model import Actor, ActorKind, Approval, Grant, RosterEntry, ScopeKind, Trait
from storage.policy.proof.dimensions import Dimension, Value

TENANT, ANOTHER_TENANT = "any-tenant", "another-tenant"
RECORD, ANOTHER = b"r" * 16, b"a" * 16
SUBJECT, GROUP = b"s" * 32, b"g" * 32
HOLD, ANOTHER_HOLD = UUID(int=1), UUID(int=2)
OUTSIDE = "XX"
"""A jurisdiction that no residency permits."""

_USER, _REQUESTER, _SECOND, _CUSTOMER = "user", "requester", "second", "customer"
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_DIGEST = "0" * 64


def actor(kind: ActorKind, location: str) -> Actor:
    """Return who asks."""
    return Actor(_USER, kind, "some-company", location)


def entry(kind: ActorKind, location: str, on: date) -> RosterEntry:
    """Return an entry in force that describes the ``actor`` of that kind and place."""
    ago = on - 400 * _DAY
    agreement = _DIGEST if kind is ActorKind.CONTRACTOR else None
    entered = datetime.combine(ago, time.min, UTC)
    return RosterEntry(
        actor=_USER,
        kind=kind,
        role="some-role",
        employer="some-company",
        location=location,
        login=None,
        agreement=agreement,
        since=ago,
        until=None,
        suspended=False,
        entered=entered,
        entered_by="keeper",
    )


def standing(kind: ActorKind, residency: str, on: date) -> Dimension:
    """Return actors of a kind, each with what the roster says of it; None: nothing."""
    here = entry(kind, residency, on)
    away = entry(kind, OUTSIDE, on)

    def said(words: str, of: RosterEntry = here, **changes: object) -> Value:
        location = of.location
        return Value(words, (actor(kind, location), replace(of, **changes)))  # type: ignore[arg-type]

    other = next(one for one in (ActorKind.EMPLOYEE, ActorKind.MACHINE) if one is not kind)
    values = [
        said(""),
        Value("the roster lacks the actor", (actor(kind, residency), None)),
        said("the roster has another employer of the actor", employer="another-company"),
        said("the entry has ended", until=on - 30 * _DAY),
        said("the actor is outside of the residency", away),
    ]
    edges = [
        said("the entry begins today", since=on),
        said("the entry begins tomorrow", since=on + _DAY),
        said("the entry ends tomorrow", until=on + _DAY),
        said("the entry ends today", until=on),
        said("the actor is suspended", suspended=True),
        said("the entry is another actor's", actor="another"),
        said("the roster has another kind of the actor", kind=other),
        said("the roster has another location of the actor", location=OUTSIDE),
    ]
    if kind is ActorKind.CONTRACTOR:
        values.append(said("the contractor has no agreement", agreement=None))
    return Dimension(tuple(values), tuple(edges))


def grant(purpose: Purpose, now: datetime) -> Grant:
    """Return a grant in force, for whatever is its tenant's."""
    return Grant(
        id=UUID(int=3),
        region="any-region",
        tenant=TENANT,
        purpose=purpose,
        actor=_USER,
        requester=_REQUESTER,
        scope=ScopeKind.TENANT,
        sought=(),
        hold=HOLD if purpose is Purpose.LEGAL else None,
        case="CASE-1",
        records_max=5,
        justification_digest=_DIGEST,
        requested=now - timedelta(hours=1),
        until=now + timedelta(hours=1),
        approvals=(_approval(_SECOND, now),),
        used=4,
    )


def _approval(actor: str, at: datetime, *, for_customer: bool = False) -> Approval:
    return Approval(actor, at, None, for_customer=for_customer)


def grants(purpose: Purpose, now: datetime) -> Dimension:
    """Return states of a grant, each with whether the record was opened under it before."""
    good = grant(purpose, now)
    other = next(one for one in Purpose if one is not purpose)

    def of(words: str, *, before: bool = False, **changes: object) -> Value:
        return Value(words, (replace(good, **changes), before))  # type: ignore[arg-type]

    def approved(words: str, *names: str) -> Value:
        approvals = tuple(_approval(name, now, for_customer=name == _CUSTOMER) for name in names)
        return of(words, approvals=approvals)

    customer = (*good.approvals, _approval(_CUSTOMER, now, for_customer=True))
    return Dimension(
        (
            of(""),
            Value("there is no grant", (None, False)),
            of("the grant is another person's", actor="another"),
            of("the grant is not approved", approvals=()),
            of("the grant is over", until=now - timedelta(hours=1)),
            of("the grant is used up", used=5),
            of("the grant is used up, also by this record", used=5, before=True),
            of("the grant was revoked", revoked=now - timedelta(minutes=1)),
        ),
        (
            of("the grant is another tenant's", tenant=ANOTHER_TENANT),
            of("the grant is for another purpose", purpose=other),
            of("the grant ends now", until=now),
            of("the grant ends at once", until=now + _TICK),
            of("the grant is over, and used up by this record", until=now, used=5, before=True),
            of("the revoked grant is over", until=now, revoked=now),
            of("a grant that was revoked is used up", used=5, before=True, revoked=now),
            approved("its requester approved the grant", _REQUESTER),
            approved("its user approved the grant", _USER),
            approved("only the customer approved the grant", _CUSTOMER),
            approved("user and second person approved the grant", _USER, _SECOND),
            approved("user, requester and customer approved it", _USER, _REQUESTER, _CUSTOMER),
            of("the customer must approve, and has not", customer_must_approve=True),
            of(
                "the customer must approve, and has",
                customer_must_approve=True,
                approvals=customer,
            ),
            of("not approved, and used up by this record", approvals=(), used=5, before=True),
            of("the grant is one use beyond its end", used=6),
        ),
    )


def scopes() -> Dimension:
    """Return what a grant covers: scope, what is sought, subject and group of the record."""

    def of(
        words: str,
        kind: ScopeKind,
        sought: bytes | None = None,
        subject: bytes | None = SUBJECT,
        group: bytes | None = GROUP,
    ) -> Value:
        return Value(words, (kind, () if sought is None else (sought,), subject, group))

    return Dimension(
        (
            of("", ScopeKind.TENANT),
            of("the grant is for another record", ScopeKind.RECORD, ANOTHER),
        ),
        (
            of("the grant is for this record", ScopeKind.RECORD, RECORD),
            of("the grant is for its subject", ScopeKind.SUBJECT, SUBJECT),
            of("the grant is for another subject", ScopeKind.SUBJECT, ANOTHER),
            of("the grant is for a subject, and it has none", ScopeKind.SUBJECT, SUBJECT, None),
            of("the grant is for its group", ScopeKind.GROUP, GROUP),
            of("the grant is for another group", ScopeKind.GROUP, ANOTHER),
            of("the grant is for a group, and it has none", ScopeKind.GROUP, GROUP, SUBJECT, None),
            of("the grant names its subject as group", ScopeKind.GROUP, SUBJECT),
            of("the grant is for an account", ScopeKind.ACCOUNT),
            of("the grant is for a region", ScopeKind.REGION),
            Value(
                "the grant seeks nothing, and the record has no subject",
                (ScopeKind.SUBJECT, (), None, None),
            ),
        ),
    )


def traits() -> Dimension:
    """Return every set of traits that limit who may look, with none first."""
    return Dimension(tuple(_subsets()))


def _subsets() -> Iterator[Value]:
    limits = (Trait.CUSTOMER_APPROVED, Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING)
    for number in range(2 ** len(limits)):
        some = [trait for place, trait in enumerate(limits) if number >> place & 1]
        yield Value(f"the tenant has {' and '.join(some)}" if some else "", frozenset(some))
