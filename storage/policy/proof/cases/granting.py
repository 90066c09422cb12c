"""Cases of entering people in a roster, and of requesting and approving grants."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from regions.model import Purpose, Region, Topology
from regions.words import with_article
from storage.model import ActorKind, GrantSpec, RosterSpec, Scope, ScopeKind, TenantSpec
from storage.policy.grants import (
    customer_must_approve,
    looked_into,
    may_approve,
    may_enter,
    may_request,
)
from storage.policy.proof.cases import people, tenants
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.granting import (
    Request,
    of_approval,
    of_customer,
    of_entry,
    of_request,
)

_DAY = timedelta(days=1)
_TWO = frozenset({Property.TWO_PEOPLE, Property.REASONS, Property.USABLE})
_ROSTER = frozenset({Property.ROSTER, Property.REASONS, Property.USABLE})


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each residency and each limit of a roster."""
    for name in (*topology.residencies, tenants.NOWHERE):
        yield _requests(topology, name, today)
    yield _approvals(today)
    yield _of_customers()
    for region in topology.regions.values():
        yield _entries(region, today)


def _requests(topology: Topology, residency: str, today: date) -> Family:
    home = next(iter(topology.regions))
    rule = topology.residencies.get(residency)
    permitted = rule.jurisdictions if rule is not None else None
    here = min(permitted or {people.OUTSIDE})

    def judge(case: Case) -> Iterator[Violation]:
        requester, user, purpose, traits, (hold, in_force), named, objections = (
            value.fact for value in case
        )
        asked = GrantSpec(
            people.TENANT,
            purpose,
            "user",
            None if purpose is Purpose.LEGAL else Scope.tenant(),
            "some reason",
            5,
            1,
            named,
            hold,
        )
        tenant = TenantSpec(people.TENANT, "any-account", home, residency, traits=traits)
        decided = may_request(
            topology,
            tenant,
            asked,
            requester=requester,
            user=user,
            objections=objections,
            hold_in_force=in_force,
            today=today,
        )
        facts = Request(asked, traits, permitted, requester, user, objections, in_force, today)
        return of_request(facts, decided.reasons)

    purposes = sorted(Purpose, key=lambda one: one is not Purpose.ABUSE_INVESTIGATION)
    dimensions = (
        _entries_of(here, today, "the requester"),
        _entries_of(here, today, "the user"),
        Dimension(tuple(Value(f"for {purpose}", purpose) for purpose in purposes)),
        people.traits(),
        Dimension(
            (
                Value("", (people.HOLD, True)),
                Value("the hold is not in force", (people.HOLD, False)),
                Value("no hold is named", (None, False)),
            )
        ),
        Dimension((Value("", "CASE-1"), Value("no case is named", None))),
        Dimension(
            (
                Value("", frozenset[str]()),
                Value("the tenant objects to the employer", frozenset({"some-company"})),
            )
        ),
    )
    return Family(f"requests of grants ({residency})", dimensions, _TWO, judge)


def _entries_of(here: str, today: date, who: str) -> Dimension:
    """Return what the roster says of a person; None: nothing."""
    person = people.entry(ActorKind.EMPLOYEE, here, today)
    contractor = people.entry(ActorKind.CONTRACTOR, here, today)

    def said(words: str, **changes: object) -> Value:
        return Value(f"{who} {words}", replace(person, **changes))  # type: ignore[arg-type]

    return Dimension(
        (
            Value("", person),
            Value(f"{who} is not in the roster", None),
            said("is suspended", suspended=True),
            said("is a machine", kind=ActorKind.MACHINE),
            Value(f"{who} is a contractor", contractor),
            Value(f"{who} has no agreement", replace(contractor, agreement=None)),
            said("is outside of the residency", location=people.OUTSIDE),
        ),
        (
            said("begins today", since=today),
            said("begins tomorrow", since=today + _DAY),
            said("ends tomorrow", until=today + _DAY),
            said("ends today", until=today),
        ),
    )


def _approvals(today: date) -> Family:
    now = datetime.combine(today, time(12), UTC)
    second = replace(people.entry(ActorKind.EMPLOYEE, people.OUTSIDE, today), actor="second")

    def said(words: str, **changes: object) -> Value:
        return Value(f"the approver {words}", replace(second, **changes))  # type: ignore[arg-type]

    approvers = Dimension(
        (
            Value("", second),
            Value("the approver is not in the roster", None),
            said("is suspended", suspended=True),
            said("is a machine", kind=ActorKind.MACHINE),
            said("is its requester", actor="requester"),
            said("is its user", actor="user"),
        ),
        (
            said("begins tomorrow", since=today + _DAY),
            said("ends today", until=today),
            said("ends tomorrow", until=today + _DAY),
        ),
    )
    states = people.grants(Purpose.ABUSE_INVESTIGATION, now)
    given = Dimension(tuple(one for one in states.values if one.fact[0] is not None), states.edges)

    named = Dimension(
        (
            Value("", (ScopeKind.TENANT, ())),
            Value("it is for two records", (ScopeKind.RECORD, (b"one", b"two"))),
        ),
        (
            Value("it is for one record", (ScopeKind.RECORD, (b"one",))),
            Value("a subject has two names", (ScopeKind.SUBJECT, (b"\1old", b"\2new"))),
            Value("it is for two subjects", (ScopeKind.SUBJECT, (b"\1one", b"\1two"))),
            Value("it is for two groups", (ScopeKind.GROUP, (b"\1one", b"\1two"))),
        ),
    )

    def judge(case: Case) -> Iterator[Violation]:
        approver, (state, _), (scope, sought) = (value.fact for value in case)
        grant = replace(state, scope=scope, sought=sought)
        return of_approval(grant, approver, now, may_approve(grant, approver, now).reasons)

    return Family("approvals of grants", (approvers, given, named), _TWO, judge)


def _of_customers() -> Family:
    def judge(case: Case) -> Iterator[Violation]:
        purpose, traits = (value.fact for value in case)
        return of_customer(
            purpose,
            traits,
            must=customer_must_approve(purpose, traits),
            looked=looked_into(traits),
        )

    purposes = Dimension(tuple(Value(f"for {purpose}", purpose) for purpose in Purpose))
    return Family("approvals of customers", (purposes, people.traits()), _TWO, judge)


def _entries(region: Region, today: date) -> Family:
    most = region.staff_max
    numbers = sorted({max(0, most - 1), most, most + 1, 0})

    def judge(case: Case) -> Iterator[Violation]:
        kind, agreement, until, suspended, others = (value.fact for value in case)
        new = RosterSpec(
            "somebody",
            kind,
            "some-role",
            "some-company",
            region.jurisdiction,
            today,
            until,
            agreement=agreement,
            suspended=suspended,
        )
        decided = may_enter(new, others=others, staff_max=most, today=today)
        return of_entry(new, others, most, today, decided.reasons)

    untils = (None, today - _DAY, today, today + _DAY)
    dimensions = (
        Dimension(tuple(Value(with_article(kind), kind) for kind in ActorKind)),
        Dimension((Value("", "0" * 64), Value("without an agreement", None))),
        Dimension(tuple(Value(f"until {until}" if until else "", until) for until in untils)),
        Dimension((Value("", False), Value("suspended", True))),
        Dimension(tuple(Value(f"beside {number} people", number) for number in numbers)),
    )
    return Family(f"entries in the roster of {region.name}", dimensions, _ROSTER, judge)
