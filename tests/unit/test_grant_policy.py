"""Who may be in the roster, and who may request and approve a grant: the decisions alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, product
from uuid import UUID

import pytest

from regions.load import load_topology
from storage.client.people import check_grant, check_roster, check_signature
from storage.errors import GrantRefused, InvalidRequest, MalformedId
from storage.model import (
    GRANT_PURPOSES,
    ActorKind,
    Approval,
    Grant,
    GrantSpec,
    GrantState,
    Purpose,
    RosterEntry,
    RosterSpec,
    Scope,
    ScopeKind,
    TenantSpec,
    Trait,
)
from storage.policy import (
    Granting,
    GrantReason,
    customer_must_approve,
    may_approve,
    may_enter,
    may_request,
)
from storage.policy.grants import _TEXTS
from tests.support.inspect.rows import ill_typed

TOPOLOGY = load_topology()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
ONE = UUID(int=1)
ALICE = RosterEntry(
    "alice",
    ActorKind.EMPLOYEE,
    "safety",
    "us",
    "EU",
    "alice",
    None,
    date(2026, 1, 1),
    None,
    suspended=False,
    entered=NOW,
    entered_by="kim",
)
BOB = replace(ALICE, actor="bob", login="bob")
CONTRACTOR = replace(ALICE, kind=ActorKind.CONTRACTOR, agreement="a" * 64)
NEW = RosterSpec("cleo", ActorKind.EMPLOYEE, "safety", "us", "EU", TODAY)
ACME = TenantSpec("acme", "acme", "eu-central-1", "EU")
ABUSE = GrantSpec("acme", Purpose.ABUSE_INVESTIGATION, "alice", Scope.tenant(), "why", 5, 8)
SUBJECT = replace(ABUSE, purpose=Purpose.SUBJECT_REQUEST, case="1")
LEGAL = replace(ABUSE, purpose=Purpose.LEGAL, case="1", scope=None, hold=ONE)
GRANT = Grant(
    ONE,
    "eu-central-1",
    "acme",
    Purpose.ABUSE_INVESTIGATION,
    "alice",
    "alice",
    ScopeKind.TENANT,
    (),
    None,
    None,
    2,
    "a" * 64,
    NOW,
    NOW + timedelta(hours=8),
)
FIRST_DAYS = {
    "before its first day": {"since": TODAY + timedelta(days=1)},
    "after its last day": {"until": TODAY},
    "suspended": {"suspended": True},
    "a machine": {"kind": ActorKind.MACHINE},
}


def all_traits() -> Iterator[frozenset[Trait]]:
    """Every set of traits."""
    for count in range(len(Trait) + 1):
        yield from map(frozenset, combinations(Trait, count))


def asked(
    spec: GrantSpec = ABUSE,
    *,
    tenant: TenantSpec = ACME,
    requester: RosterEntry | None = ALICE,
    user: RosterEntry | None = ALICE,
    objections: frozenset[str] = frozenset(),
    hold_in_force: bool = True,
) -> set[str]:
    """Return the reasons against a request."""
    found = may_request(
        TOPOLOGY,
        tenant,
        spec,
        requester=requester,
        user=user,
        objections=objections,
        hold_in_force=hold_in_force,
        today=TODAY,
    )
    return {str(reason) for reason in found.reasons}


class TestEntries:
    @pytest.mark.parametrize(
        ("new", "others", "why"),
        [
            (NEW, 2, ()),
            (NEW, 3, ("roster_full",)),
            (replace(NEW, suspended=True), 3, ()),
            (replace(NEW, until=TODAY, since=date(2026, 1, 1)), 3, ()),
            (replace(NEW, until=TODAY + timedelta(days=1)), 3, ("roster_full",)),
            (replace(NEW, since=TODAY + timedelta(days=9)), 3, ("roster_full",)),
            (replace(NEW, kind=ActorKind.MACHINE), 3, ()),
            (replace(NEW, kind=ActorKind.CONTRACTOR), 2, ("no_agreement",)),
            (replace(NEW, kind=ActorKind.CONTRACTOR), 3, ("no_agreement", "roster_full")),
            (replace(NEW, kind=ActorKind.CONTRACTOR, agreement="a" * 64), 2, ()),
            (replace(NEW, kind=ActorKind.CUSTOMER), 2, ("not_for_customers",)),
        ],
    )
    def test_what_may_be_entered(self, new: RosterSpec, others: int, why: tuple[str, ...]) -> None:
        """With three people at most."""
        assert may_enter(new, others=others, staff_max=3, today=TODAY).reasons == why


class TestRequests:
    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            (ABUSE, set()),
            (replace(ABUSE, case="1"), set()),
            (SUBJECT, set()),
            (LEGAL, set()),
            (replace(SUBJECT, case=None), {"case_missing"}),
            (replace(LEGAL, case=None), {"case_missing"}),
            (replace(LEGAL, hold=None), {"hold_missing"}),
            (replace(ABUSE, hold=ONE), {"hold_without_legal"}),
            (replace(SUBJECT, hold=ONE, case=None), {"hold_without_legal", "case_missing"}),
            *(
                (replace(ABUSE, purpose=purpose), {"purpose_not_granted"})
                for purpose in Purpose
                if purpose not in GRANT_PURPOSES
            ),
        ],
    )
    def test_the_purpose(self, spec: GrantSpec, why: set[str]) -> None:
        """What each needs, and what it must not have."""
        assert asked(spec) == why

    def test_a_hold_that_is_not_in_force(self) -> None:
        """Opens nothing."""
        assert asked(LEGAL, hold_in_force=False) == {"hold_not_in_force"}

    @pytest.mark.parametrize("change", FIRST_DAYS.values(), ids=FIRST_DAYS)
    def test_people_who_may_not_act(self, change: dict[str, object]) -> None:
        """Neither request nor are requested for."""
        entry = replace(ALICE, **change)  # type: ignore[arg-type]

        assert asked(requester=entry) == {"login_not_in_force"}
        assert asked(user=entry) == {"actor_not_in_force"}

    def test_people_who_are_not_in_the_roster(self) -> None:
        """The same."""
        assert asked(requester=None) == {"login_not_in_force"}
        assert asked(user=None) == {"actor_not_in_force"}

    @pytest.mark.parametrize(
        ("user", "why"),
        [
            (CONTRACTOR, set()),
            (replace(CONTRACTOR, agreement=None), {"no_agreement"}),
            (replace(ALICE, location="US"), {"outside_residency"}),
            (replace(ALICE, employer="klarblick"), {"employer_objected"}),
            (
                replace(CONTRACTOR, agreement=None, location="US", employer="klarblick"),
                {"no_agreement", "outside_residency", "employer_objected"},
            ),
        ],
    )
    def test_who_is_to_use_it(self, user: RosterEntry, why: set[str]) -> None:
        """Where the person is, for whom it works, and what it has signed."""
        assert asked(user=user, objections=frozenset({"klarblick"})) == why

    def test_a_residency_that_the_topology_does_not_know(self) -> None:
        """Permits no location."""
        assert asked(tenant=replace(ACME, residency="MOON")) == {"outside_residency"}

    @pytest.mark.parametrize("traits", list(all_traits()))
    def test_what_a_tenant_asks_for(self, traits: frozenset[Trait]) -> None:
        """No look for abuse where nobody may look; legal always; the customer's approval."""
        tenant = replace(ACME, traits=traits)
        shut = bool(traits & {Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING})
        asks = Trait.CUSTOMER_APPROVED in traits

        assert asked(ABUSE, tenant=tenant) == ({"no_human_review"} if shut else set())
        assert asked(SUBJECT, tenant=tenant) == asked(LEGAL, tenant=tenant) == set()
        assert customer_must_approve(Purpose.ABUSE_INVESTIGATION, traits) == asks
        assert customer_must_approve(Purpose.SUBJECT_REQUEST, traits) == (asks or shut)
        assert not customer_must_approve(Purpose.LEGAL, traits)


class TestApprovals:
    @pytest.mark.parametrize(
        ("grant", "approver", "why"),
        [
            (GRANT, BOB, ()),
            (GRANT, None, ("login_not_in_force",)),
            (GRANT, replace(BOB, suspended=True), ("login_not_in_force",)),
            (GRANT, replace(BOB, kind=ActorKind.MACHINE), ("login_not_in_force",)),
            (GRANT, ALICE, ("approver_is_requester", "approver_is_user")),
            (replace(GRANT, actor="cleo"), ALICE, ("approver_is_requester",)),
            (replace(GRANT, requester="cleo"), ALICE, ("approver_is_user",)),
            (replace(GRANT, revoked=NOW), BOB, ("revoked",)),
            (replace(GRANT, until=NOW), BOB, ("expired",)),
            (replace(GRANT, scope=ScopeKind.SUBJECT, sought=(b"\1a", b"\2b")), BOB, ()),
            (
                replace(GRANT, scope=ScopeKind.SUBJECT, sought=(b"\1a", b"\1b")),
                BOB,
                ("wider_than_said",),
            ),
            (
                replace(GRANT, scope=ScopeKind.RECORD, sought=(b"a", b"b")),
                BOB,
                ("wider_than_said",),
            ),
        ],
    )
    def test_who_may_approve(
        self, grant: Grant, approver: RosterEntry | None, why: tuple[str, ...]
    ) -> None:
        """A second person who may act today, while the grant is good for anything."""
        assert may_approve(grant, approver, NOW).reasons == why


class TestStates:
    def test_what_a_grant_is_good_for(self) -> None:
        """For every combination: approved by whom, used, over, revoked."""
        bob, alice = (Approval(who, NOW, bytes(64)) for who in ("bob", "alice"))
        customer = Approval("customer-1", NOW, None, for_customer=True)
        approvals = [some for n in range(4) for some in combinations((bob, alice, customer), n)]
        for some, must, used, revoked, at in product(
            approvals, (False, True), (1, 2), (None, NOW), (NOW, GRANT.until)
        ):
            grant = replace(
                GRANT, approvals=some, customer_must_approve=must, used=used, revoked=revoked
            )
            good = bob in some and (customer in some or not must)
            wanted = (
                GrantState.REVOKED
                if revoked
                else GrantState.EXPIRED
                if at is GRANT.until
                else GrantState.REQUESTED
                if not good
                else GrantState.EXHAUSTED
                if used == 2
                else GrantState.IN_FORCE
            )
            assert grant.state(at) is wanted


def test_every_reason_says_what_happened_and_what_to_do() -> None:
    """And an error with several reasons says all, and each advice once."""
    assert set(_TEXTS) == set(GrantReason)
    both = (GrantReason.REVOKED, GrantReason.EXPIRED)
    with pytest.raises(GrantRefused) as caught:
        Granting(both).demand()

    assert caught.value.reasons == both
    assert caught.value.message == "The grant was revoked. The time of the grant is over."
    assert caught.value.advice == "Request another grant: domicile grant request"
    Granting(()).demand()


BAD_ENTRIES: dict[str, dict[str, object]] = {
    "no actor": {"actor": ""},
    "an actor that is a number": {"actor": 7},
    "a kind that is text": {"kind": "employee"},
    "no role": {"role": ""},
    "a long employer": {"employer": "x" * 201},
    "a location in words": {"location": "Berlin"},
    "no location": {"location": None},
    "a moment instead of a day": {"since": NOW},
    "no first day": {"since": None},
    "an end that is text": {"until": "2026-01-01"},
    "an end before its beginning": {"until": TODAY},
    "an empty login": {"login": ""},
    "a long login": {"login": "x" * 64},
    "half a surrogate pair": {"login": "\ud800"},
    "an agreement that is no digest": {"agreement": "A" * 64},
    "suspended as text": {"suspended": "no"},
}
BAD_GRANTS: dict[str, dict[str, object]] = {
    "no tenant": {"tenant": None},
    "a purpose that is text": {"purpose": "legal"},
    "no actor": {"actor": ""},
    "no scope": {"scope": None},
    "an account": {"scope": Scope.account("acme")},
    "no id": {"scope": Scope.record("x")},
    "a subject without a name": {"scope": Scope.subject("")},
    "legal with a scope": {"purpose": Purpose.LEGAL, "hold": ONE},
    "no justification": {"justification": ""},
    "a long justification": {"justification": "x" * 1025},
    "no records": {"records_max": 0},
    "too many records": {"records_max": 1_000_001},
    "half a record": {"records_max": 0.5},
    "no hours": {"hours": 0},
    "more than a day": {"hours": 25},
    "true hours": {"hours": True},
    "an empty case": {"case": ""},
    "a long case": {"case": "x" * 201},
    "a case of two lines": {"case": "a\nb"},
    "a hold that is text": {"hold": str(ONE)},
}


class TestBadInput:
    @pytest.mark.parametrize("changed", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
    def test_of_entries(self, changed: dict[str, object]) -> None:
        """Each is refused before anything is asked of a catalog."""
        check_roster(NEW)
        with pytest.raises(InvalidRequest):
            check_roster(replace(NEW, **changed))  # type: ignore[arg-type]

    @pytest.mark.parametrize("changed", BAD_GRANTS.values(), ids=BAD_GRANTS)
    def test_of_grants(self, changed: dict[str, object]) -> None:
        """The same."""
        for good in (ABUSE, SUBJECT, LEGAL):
            check_grant(good)
        with pytest.raises((InvalidRequest, MalformedId)):
            check_grant(replace(ABUSE, **changed))  # type: ignore[arg-type]

    @pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), "x" * 64, None])
    def test_of_signatures(self, signature: object) -> None:
        """64 bytes."""
        check_signature(bytes(64))
        with pytest.raises(InvalidRequest):
            check_signature(signature)

    def test_of_another_type(self) -> None:
        """Neither is what it should be."""
        for check in (check_roster, check_grant):
            with pytest.raises(InvalidRequest):
                check(ill_typed({}))
