"""The roster and grants through the interface: each person with a login of its own."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from storage import open_async_store
from storage.client.store import Store
from storage.errors import CatalogForbidden, GrantRefused, NotFound, UnknownTenant
from storage.evidence.grants import signed_by
from storage.model import ActorKind, GrantSpec, GrantState, Purpose, Scope, Trait
from storage.testing import Domicile
from tests.support.catalogs.databases import HOME, catalog_of
from tests.support.holds import confirm, place_hold
from tests.support.people import (
    approve,
    as_person,
    enter,
    key_of,
    make_logins,
    person,
    settings_for,
    staff,
)

pytestmark = pytest.mark.one_region

WHY = "A classifier flagged it for what may be fraud."
ABUSE = GrantSpec(
    "acme-eu", Purpose.ABUSE_INVESTIGATION, "alice", Scope.subject("u1"), WHY, 2, 8, case="CASE-7"
)


@pytest.fixture
def staffed(domicile: Domicile) -> Domicile:
    """A tenant, and a roster with a keeper and two more people."""
    domicile.tenant()
    staff(domicile.settings, domicile.clock.now(), "kim", "alice", "bob")
    return domicile


@pytest.fixture
def alice(staffed: Domicile) -> Iterator[Store]:
    """The store as she opens it."""
    with as_person(staffed, "alice") as store:
        yield store


def refused(error: pytest.ExceptionInfo[GrantRefused]) -> set[str]:
    """Return the reasons of a refusal."""
    return set(error.value.reasons)


class TestRoster:
    def test_the_newest_entry_of_each_actor_is_listed(self, staffed: Domicile) -> None:
        """In pages, by the ids of the actors."""
        ending = person("bob", until=date(2026, 6, 1))
        with as_person(staffed, "kim") as store:
            entered = store.admin.roster.enter(HOME, ending)
            listed = store.admin.roster.list(HOME)
            rest = store.admin.roster.list(HOME, after="alice", limit=1)

        assert [one.actor for one in listed] == ["alice", "bob", "kim"]
        assert listed[1] == rest[0] == entered
        assert (entered.until, entered.entered_by) == (date(2026, 6, 1), "kim")
        assert entered.entered <= staffed.clock.now()

    def test_an_entry_that_is_not_allowed(self, staffed: Domicile) -> None:
        """One clear refusal, and no entry."""
        entries = {
            person("cleo", kind=ActorKind.CONTRACTOR): "no_agreement",
            person("cleo", kind=ActorKind.CUSTOMER): "not_for_customers",
            person("kim", role="safety"): "own_entry",
            person("cleo", login="alice"): "login_taken",
        }
        with as_person(staffed, "kim") as store:
            before = store.admin.roster.list(HOME)
            for spec, why in entries.items():
                with pytest.raises(GrantRefused) as error:
                    store.admin.roster.enter(HOME, spec)
                assert refused(error) == {why}
            assert store.admin.roster.list(HOME) == before

    def test_the_roster_has_a_maximum(self, staffed: Domicile) -> None:
        """Who may not act any more, and machines, do not count."""
        enter(
            staffed.settings, staffed.clock.now(), *(person(f"p{n}", login=None) for n in range(22))
        )
        enter(
            staffed.settings,
            staffed.clock.now(),
            person("robo", kind=ActorKind.MACHINE, login=None),
        )
        with as_person(staffed, "kim") as store:
            with pytest.raises(GrantRefused) as error:
                store.admin.roster.enter(HOME, person("one-more", login=None))
            store.admin.roster.enter(HOME, person("bob", suspended=True))
            store.admin.roster.enter(HOME, person("one-more", login=None))

        assert refused(error) == {"roster_full"}


class TestGrant:
    def test_from_the_request_to_the_revocation(self, staffed: Domicile, alice: Store) -> None:
        """The state says what a grant is good for, the list has all."""
        grants = alice.admin.grants
        asked = grants.request(ABUSE)
        approved = approve(staffed, "bob", asked)
        again = approve(staffed, "bob", asked)
        with catalog_of(settings_for(staffed.settings, "alice")) as connection:
            assert connection.exec_driver_sql("SELECT session_user").scalar_one() == "alice"
        ended = grants.revoke(asked.id)
        now = staffed.clock.now()

        states = [one.state(now) for one in (asked, approved, ended, grants.revoke(asked.id))]
        assert states == [
            GrantState.REQUESTED,
            GrantState.IN_FORCE,
            GrantState.REVOKED,
            GrantState.REVOKED,
        ]
        assert asked.until - asked.requested == timedelta(hours=8)
        assert (asked.requester, ended.revoked_by) == ("alice", "alice")
        assert approved == again
        (approval,) = approved.approvals
        assert approval.actor == "bob"
        assert signed_by(asked, approval.signature or b"", key_of("bob").public_key())
        assert grants.list(HOME, tenant="acme-eu") == grants.list(HOME) == [ended]
        assert grants.list(HOME, after=asked.id) == []
        assert grants.show(str(asked.id)) == ended

    def test_what_is_signed_does_not_change(self, staffed: Domicile, alice: Store) -> None:
        """Neither with an approval nor with a revocation."""
        asked = alice.admin.grants.request(ABUSE)
        approved = approve(staffed, "bob", asked)
        ended = alice.admin.grants.revoke(asked.id)
        (approval,) = ended.approvals

        key = key_of("bob").public_key()
        assert all(
            signed_by(one, approval.signature or b"", key) for one in (asked, approved, ended)
        )
        for changed in (
            replace(asked, actor="bob"),
            replace(asked, until=asked.until + timedelta(seconds=1)),
            replace(asked, records_max=3),
            replace(asked, sought=()),
        ):
            assert not signed_by(changed, approval.signature or b"", key)

    def test_the_justification_is_kept_sealed(self, staffed: Domicile, alice: Store) -> None:
        """Whoever reads the catalog without the root key learns its digest alone."""
        asked = alice.admin.grants.request(ABUSE)

        assert alice.admin.grants.justification(asked.id) == WHY
        with catalog_of(staffed.settings) as connection:
            row = connection.exec_driver_sql("SELECT * FROM access_grant").one()
        assert WHY not in str(row)
        assert WHY.encode() not in bytes(row.sealed_justification)
        assert "u1" not in str(row)

    def test_a_second_person_is_needed(self, staffed: Domicile, alice: Store) -> None:
        """Neither who requested it nor who uses it."""
        own, for_bob = (
            alice.admin.grants.request(replace(ABUSE, actor=actor)) for actor in ("alice", "bob")
        )

        for approver, grant, why in (
            ("alice", own, {"approver_is_requester", "approver_is_user"}),
            ("alice", for_bob, {"approver_is_requester"}),
            ("bob", for_bob, {"approver_is_user"}),
        ):
            with pytest.raises(GrantRefused) as error:
                approve(staffed, approver, grant)
            assert refused(error) == why

    def test_an_approval_comes_too_late(self, staffed: Domicile, alice: Store) -> None:
        """After the end of the grant, and after its revocation."""
        asked = alice.admin.grants.request(ABUSE)
        staffed.pass_time(hours=9)
        alice.admin.grants.revoke(asked.id)

        with pytest.raises(GrantRefused) as error:
            approve(staffed, "bob", asked)

        assert refused(error) == {"revoked", "expired"}

    def test_a_request_is_refused_with_every_reason(self, staffed: Domicile, alice: Store) -> None:
        """So that nobody asks twice."""
        enter(staffed.settings, staffed.clock.now(), person("una", location="US"))
        legal = replace(ABUSE, purpose=Purpose.LEGAL, scope=None)
        requests = {
            replace(ABUSE, purpose=Purpose.SERVE): {"purpose_not_granted"},
            legal: {"hold_missing"},
            replace(legal, hold=uuid4(), case=None): {"hold_not_in_force", "case_missing"},
            replace(ABUSE, hold=uuid4()): {"hold_without_legal"},
            replace(ABUSE, purpose=Purpose.SUBJECT_REQUEST, case=None): {"case_missing"},
            replace(ABUSE, actor="nobody"): {"actor_not_in_force"},
            replace(ABUSE, actor="una"): {"outside_residency"},
            replace(ABUSE, actor="una", hold=uuid4()): {"outside_residency", "hold_without_legal"},
        }

        for asked, why in requests.items():
            with pytest.raises(GrantRefused) as error:
                alice.admin.grants.request(asked)
            assert refused(error) == why
        assert alice.admin.grants.list(HOME) == []

    def test_who_is_not_in_the_roster_requests_nothing(self, staffed: Domicile) -> None:
        """Not even the owner of the catalog."""
        with pytest.raises(GrantRefused) as error:
            staffed.store.admin.grants.request(ABUSE)

        assert refused(error) == {"login_not_in_force"}

    def test_people_of_a_company_that_the_tenant_objects_to(
        self, staffed: Domicile, alice: Store
    ) -> None:
        """Open nothing of it, as nothing of it is at that company."""
        enter(staffed.settings, staffed.clock.now(), person("alice", employer="lindenhost"))
        alice.admin.grants.request(ABUSE)
        staffed.store.tenant("acme-eu").object("lindenhost", by="officer-7", ticket="CASE-1")

        with pytest.raises(GrantRefused) as error:
            alice.admin.grants.request(ABUSE)

        assert refused(error) == {"employer_objected"}

    def test_a_legal_grant_has_the_scope_of_its_hold(self, staffed: Domicile, alice: Store) -> None:
        """Whoever is in it is not named again."""
        placed = place_hold(staffed, Scope.subject("u1"), future=True)
        confirm(staffed, placed)
        legal = replace(ABUSE, purpose=Purpose.LEGAL, scope=None, hold=placed.hold.id)

        found = alice.admin.grants.request(legal)
        same = alice.admin.grants.request(ABUSE)

        assert (found.scope, found.sought) == (same.scope, same.sought)
        assert found.hold == placed.hold.id

    def test_of_what_does_not_exist(self, staffed: Domicile, alice: Store) -> None:
        """A grant, a tenant, and a grant of another tenant."""
        other = staffed.tenant("other-eu")
        asked = alice.admin.grants.request(ABUSE)

        with pytest.raises(NotFound):
            alice.admin.grants.revoke(uuid4())
        with pytest.raises(UnknownTenant):
            alice.admin.grants.request(replace(ABUSE, tenant="nobody"))
        with pytest.raises(NotFound):
            other.approve(asked.id, by="customer-1")


class TestCustomer:
    def test_its_own_approval(self, staffed: Domicile, alice: Store) -> None:
        """Together with that of a second person, in any order."""
        tenant = staffed.tenant(traits=frozenset({Trait.CUSTOMER_APPROVED}))
        make_logins(staffed.settings, "sam", role="domicile_service")
        asked = alice.admin.grants.request(ABUSE)
        with as_person(staffed, "sam") as service:
            service.tenant(tenant.id).approve(asked.id, by="customer-1")
            service.tenant(tenant.id).approve(str(asked.id), by="customer-1")
        half = alice.admin.grants.show(asked.id)
        found = approve(staffed, "bob", asked)

        now = staffed.clock.now()
        assert [half.state(now), found.state(now)] == [GrantState.REQUESTED, GrantState.IN_FORCE]
        assert [(one.actor, one.for_customer) for one in found.approvals] == [
            ("customer-1", True),
            ("bob", False),
        ]

    @pytest.mark.parametrize("trait", [Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING])
    def test_a_tenant_that_nobody_looks_into(
        self, staffed: Domicile, alice: Store, trait: Trait
    ) -> None:
        """No grant for abuse_investigation; one for a subject request if it approves; legal."""
        staffed.tenant(traits=frozenset({trait}))
        placed = place_hold(staffed)
        confirm(staffed, placed)

        with pytest.raises(GrantRefused) as error:
            alice.admin.grants.request(ABUSE)
        wanted = alice.admin.grants.request(replace(ABUSE, purpose=Purpose.SUBJECT_REQUEST))
        legal = alice.admin.grants.request(
            replace(ABUSE, purpose=Purpose.LEGAL, scope=None, hold=placed.hold.id)
        )

        assert refused(error) == {"no_human_review"}
        assert wanted.customer_must_approve
        assert not legal.customer_must_approve


def test_the_same_for_asyncio(staffed: Domicile) -> None:
    """Each method, with the same result."""
    settings = settings_for(staffed.settings, "kim")
    means = staffed.dependencies

    async def work() -> None:
        async with open_async_store(settings, dependencies=means, log=staffed.log) as store:
            await store.admin.roster.enter(HOME, person("cleo"))
            assert len(await store.admin.roster.list(HOME)) == 4
            asked = await store.admin.grants.request(ABUSE)
            assert await store.admin.grants.justification(asked.id) == WHY
            with pytest.raises(GrantRefused):
                await store.admin.grants.approve(asked.id, signature=bytes(64))
            tenant = await store.tenant("acme-eu")
            with pytest.raises(CatalogForbidden):
                await tenant.approve(asked.id, by="kim")
            ended = await store.admin.grants.revoke(asked.id)
            assert [ended] == await store.admin.grants.list(HOME)
            assert ended == await store.admin.grants.show(asked.id)

    asyncio.run(work())
