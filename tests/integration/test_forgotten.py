"""Objections and entries in the roster are forgotten when their jurisdiction says, not before."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, insert, select, text

from storage.catalog import objections, roster
from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.model import ActorKind
from storage.testing import Domicile
from storage.testing.clock import NOON
from storage.workers.due import due
from tests.support.actions import duty
from tests.support.inspect.stored import home
from tests.support.people import enter, make_logins, person

pytestmark = pytest.mark.one_region

KEPT = 1096  # days, as the shipped topology says for the EU
DAY = timedelta(days=1)


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU that may object."""
    return domicile.tenant()


def object_to(tenant: BoundTenant, company: str = "lindenhost") -> None:
    """Object to a company."""
    tenant.object(company, by="officer-7", ticket="CASE-2")


def said(domicile: Domicile) -> int:
    """Return how many entries about objections the catalog has."""
    with home(domicile).catalog.begin() as connection:
        return connection.scalar(select(func.count()).select_from(t.objection)) or 0


def entries(domicile: Domicile) -> list[str]:
    """Return the actors of all entries in the roster, oldest first."""
    with home(domicile).catalog.begin() as connection:
        return list(connection.scalars(select(t.roster.c.actor).order_by(t.roster.c.number)))


def former(domicile: Domicile) -> dict[str, str]:
    """Return the former logins that the catalog knows, with their actors."""
    with home(domicile).catalog.begin() as connection:
        return {row.login: row.actor for row in connection.execute(select(t.former_login))}


class TestObjections:
    def test_one_that_was_withdrawn(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """It counts from the withdrawal, and one in force stays, whatever its age."""
        object_to(tenant)
        tenant.withdraw("lindenhost", by="officer-7", ticket="CASE-3")
        domicile.pass_time(days=KEPT - 1)
        object_to(tenant)
        duty(domicile, "prune")
        assert [one.withdrawn is None for one in tenant.objections()] == [False, True]

        domicile.pass_time(days=2)
        assert due(home(domicile))["prune"] == 1
        duty(domicile, "prune")

        (left,) = tenant.objections()
        assert left.withdrawn is None
        domicile.pass_time(days=3 * KEPT)
        duty(domicile, "prune")
        assert [one.at for one in tenant.objections()] == [left.at]

    def test_one_of_a_tenant_that_was_removed(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """It ends with the tenant, and says so if the tenant comes back."""
        object_to(tenant)
        domicile.store.admin.tenants.remove(tenant.id)

        (ended,) = domicile.tenant().objections()

        assert (ended.withdrawn_ticket, ended.withdrawn is not None) == ("tenant removed", True)

    def test_some_at_a_time(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """What is left is a history that can be read."""
        for company in ("lindenhost", "meerspeicher"):
            for _ in range(2):
                object_to(tenant, company)
                tenant.withdraw(company, by="officer-7", ticket="CASE-3")

        with home(domicile).catalog.begin() as connection:
            assert objections.prune(connection, domicile.clock.now(), 1) == 1

        assert len({one.company for one in tenant.objections()}) == 1
        assert said(domicile) == 4


class TestRoster:
    @pytest.mark.parametrize("how", ["until", "suspended", "replaced"])
    def test_an_entry_that_ended(self, domicile: Domicile, how: str) -> None:
        """It counts from its end; the entry that counts stays, whatever its age."""
        today = domicile.clock.now().date()
        end = {"until": today + 9 * DAY} if how == "until" else {"suspended": how == "suspended"}
        enter(domicile.settings, domicile.clock.now(), person("ann", **end))
        if how == "replaced":
            domicile.pass_time(days=9)
            enter(domicile.settings, domicile.clock.now(), person("ann", role="lead"))
        before = entries(domicile)
        domicile.pass_time(days=KEPT if how == "until" else KEPT - 1)
        duty(domicile, "prune")
        assert entries(domicile) == before

        domicile.pass_time(days=10)
        assert due(home(domicile))["prune"] == 1
        duty(domicile, "prune")

        assert entries(domicile) == before[1:]
        domicile.pass_time(days=KEPT)
        duty(domicile, "prune")
        assert entries(domicile) == before[1:]

    def test_a_login_of_a_person_stays_his(self, domicile: Domicile) -> None:
        """As long as the database has it; a machine's, and one that is gone, is forgotten."""
        make_logins(domicile.settings, "ann", "mill", "old_ann")
        now = domicile.clock.now()
        enter(domicile.settings, now, person("ann", login="old_ann"))
        enter(domicile.settings, now, person("ann"))
        enter(domicile.settings, now, person("bob", login="nowhere", suspended=True))
        enter(domicile.settings, now, person("mill", kind=ActorKind.MACHINE, suspended=True))
        domicile.pass_time(days=KEPT + 1)
        duty(domicile, "prune")
        assert former(domicile) == {"old_ann": "ann"}
        enter(domicile.settings, domicile.clock.now(), person("ann", suspended=True))
        domicile.pass_time(days=KEPT + 1)

        duty(domicile, "prune")

        assert entries(domicile) == []
        assert former(domicile) == {"old_ann": "ann", "ann": "ann"}
        with home(domicile).catalog.begin() as connection:
            connection.execute(text("DROP ROLE old_ann"))
        duty(domicile, "prune")
        assert former(domicile) == {"ann": "ann"}

    @settings(
        deadline=None,
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["ann", "bob"]),
                st.integers(0, 9),  # days after the entry before
                st.none() | st.integers(-20, 20),  # until, from the day of the entry
                st.booleans(),
            ),
            max_size=8,
        ),
        st.integers(0, 60),
        st.integers(1, 4),
    )
    @example(  # an entry that was over when it was made, after one without an end
        made=[("ann", 0, None, False), ("ann", 9, -20, False)], age=5, limit=4
    )
    def test_nobody_comes_back(
        self,
        domicile: Domicile,
        made: list[tuple[str, int, int | None, bool]],
        age: int,
        limit: int,
    ) -> None:
        """However it is forgotten, what is left of an actor are the newest entries."""
        region = home(domicile)
        with region.catalog.begin() as connection:
            connection.execute(delete(t.roster))
            at = NOON
            for actor, days, until, suspended in made:
                at += days * DAY
                connection.execute(insert(t.roster).values(**_entry(actor, at, until, suspended)))
            all_of = _of_actors(connection)
            roster.prune(connection, NOON + age * DAY, limit)
            left = _of_actors(connection)

        for actor, numbers in left.items():
            assert all_of[actor][-len(numbers) :] == numbers
        in_force = {actor for actor, _, until, suspended in made if until is None and not suspended}
        newest = {actor: (until, suspended) for actor, _, until, suspended in made}
        assert {one for one in in_force if newest[one] == (None, False)} <= left.keys()


def _entry(
    actor: str,
    at: datetime,
    until: int | None,
    suspended: bool,  # noqa: FBT001 - as it is drawn
) -> dict[str, object]:
    last: date | None = None if until is None else at.date() + until * DAY
    return {
        "actor": actor,
        "kind": "employee",
        "role": "reviewer",
        "employer": "us",
        "location": "EU",
        "since": date(2020, 1, 1),
        "until": last,
        "suspended": suspended,
        "entered": at,
        "entered_by": "kim",
    }


def _of_actors(connection: Connection) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    query = select(t.roster.c.actor, t.roster.c.number).order_by(t.roster.c.number)
    for actor, number in connection.execute(query):
        found.setdefault(actor, []).append(number)
    return found


@pytest.mark.parametrize("function", ["forget_objections", "forget_roster"])
@pytest.mark.parametrize("role", ["domicile_service", "domicile_admin"])
def test_a_worker_alone_forgets(domicile: Domicile, role: str, function: str) -> None:
    """No other login may call what forgets."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text(f"SELECT {function}(now(), 1)"))
        connection.rollback()


def test_the_catalog_itself_says_what_is_too_young(domicile: Domicile, tenant: BoundTenant) -> None:
    """Whatever a login of a worker asks for."""
    enter(domicile.settings, domicile.clock.now(), person("ann", suspended=True))
    object_to(tenant)
    tenant.withdraw("lindenhost", by="officer-7", ticket="CASE-3")
    limit = "SELECT timestamptz '2026-03-01 12:00:00Z'"
    with home(domicile).catalog.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION forgettable_before() RETURNS timestamptz "
                f"LANGUAGE sql AS $$ {limit} $$"
            )
        )
        for forget in ("forget_objections", "forget_roster"):
            assert connection.scalar(text(f"SELECT {forget}('infinity', 9)")) == 0
        connection.rollback()
