"""What logins with raw SQL can do about agreements and exits: add, by functions, and no more."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.people_sql import People, people

__all__ = ["people"]

ADD = (
    "SELECT add_agreement(:id, :tenant, :kind, repeat('d', 64), 'Ada', :signed, :since, :until, "
    ":old)"
)
CHOOSE = (
    "SELECT choose_exit(:id, :tenant, :kind, (now() AT TIME ZONE 'UTC')::date + :days, "
    "repeat('d', 64), gen_random_uuid(), {now})"
)
NOTICE = "SELECT note_exit_notice(:id, repeat('e', 64), {now})"
CONFIRM = "SELECT confirm_exit(:id, {now})"
BEGIN = "SELECT begin_exit(:id, {now})"
BACKDATE = "UPDATE exit_choice SET exit_on = '2026-01-09' WHERE id = :id"
STEPS = "SELECT string_agg(step || ' ' || coalesce(actor, login), ', ' ORDER BY number) "
STEPS += "FROM exit_step WHERE choice_id = :id"
FORBIDDEN = (
    "INSERT INTO agreement_entry SELECT * FROM agreement_entry",
    "UPDATE agreement_entry SET until = NULL",
    "UPDATE agreement_entry SET signed = '2020-01-01'",
    "DELETE FROM agreement_entry",
    "TRUNCATE agreement_entry",
    "UPDATE agreement SET until = NULL",
    "INSERT INTO tenant_removal SELECT * FROM tenant_removal",
    "DELETE FROM tenant_removal",
    "UPDATE tenant_removal SET last_agreement = 0",
    "INSERT INTO exit_choice SELECT * FROM exit_choice",
    "UPDATE exit_choice SET exit_on = '2020-01-01'",
    "UPDATE exit_choice SET actor = 'bob'",
    "DELETE FROM exit_choice",
    "INSERT INTO exit_step SELECT * FROM exit_step",
    "UPDATE exit_step SET actor = 'bob'",
    "DELETE FROM exit_step",
    "SELECT * FROM agreements_of('acme')",
    "SELECT lock_choice(gen_random_uuid())",
    "SELECT choice_is_over(c) FROM exit_choice c",
    "SELECT acting_for_exit(now()::date)",
    "SELECT lock_tenant('acme')",
    "CREATE OR REPLACE FUNCTION acting_for_exit(today date) RETURNS text LANGUAGE sql AS ''",
    "CREATE OR REPLACE VIEW agreement AS SELECT '' AS tenant",
    "DROP TRIGGER agreement_as_before ON agreement",
)
MAKE = "INSERT INTO tenant (id, account, home, residency, service, dedicated, retention, version, "
MAKE += "created) VALUES (:tenant, 'a', 'eu', 'EU', 'api', false, '{{}}', 1, now())"
LOGINS = ("alice", "kim", "nina", "sam", "wim")


def added(people: People, session: str = "alice", **given: Any) -> tuple[UUID, str]:  # noqa: ANN401
    """Add an agreement; return its id, and why it was refused."""
    new = uuid4()
    values: dict[str, Any] = {
        "tenant": "acme",
        "kind": "dpa",
        "signed": date(2026, 1, 5),
        "since": date(2026, 1, 5),
        "until": None,
        "old": None,
    }
    return new, people.do(session, ADD, id=new, **(values | given))


def chosen(people: People, session: str = "alice", tenant: str = "acme", days: int = 9) -> UUID:
    """Record a choice, which is not refused."""
    new = uuid4()
    done = people.do(session, CHOOSE, id=new, tenant=tenant, kind="delete", days=days)
    assert done == ""
    return new


@pytest.mark.parametrize("login", LOGINS)
def test_nobody_changes_or_deletes_any(people: People, login: str) -> None:
    """By no statement, whatever the role of the login."""
    added(people)
    chosen(people)
    counts = "SELECT (SELECT count(*) FROM agreement_entry) || ' ' || count(*) FROM exit_choice"
    before = people.do("postgres", counts)

    done = {statement: people.do(login, statement) for statement in FORBIDDEN}

    assert done == dict.fromkeys(FORBIDDEN, "forbidden")
    assert people.do("postgres", counts) == before


@pytest.mark.parametrize("login", ["sam", "wim"])
def test_only_an_admin_adds_agreements_and_chooses(people: People, login: str) -> None:
    """A service and a worker only read them."""
    assert added(people, login)[1] == "forbidden"
    choose: dict[str, Any] = {"tenant": "acme", "kind": "delete", "days": 9}
    for statement in (CHOOSE, NOTICE, CONFIRM):
        assert people.do(login, statement, id=uuid4(), **choose) == "forbidden"
    insert = "INSERT INTO agreement VALUES ('acme', 'dpa', '2026-01-01')"
    assert people.do(login, insert) == "forbidden"


@pytest.mark.parametrize("login", ["alice", "sam"])
def test_only_a_worker_forgets_and_carries_out(people: People, login: str) -> None:
    """A person does neither."""
    assert people.do(login, "SELECT forget_agreements('2999-01-01', 9)") == "forbidden"
    assert people.do(login, BEGIN, id=chosen(people)) == "forbidden"


def test_a_worker_forgets_nothing_that_has_not_ended_long_ago(people: People) -> None:
    """Whatever day it gives: a tenant's last one of a kind stays, and all of the last month."""
    today = "SELECT ((now() AT TIME ZONE 'UTC')::date - {now})::text"
    recent = date.fromisoformat(people.do("postgres", today, "9"))
    long_ago = date.fromisoformat(people.do("postgres", today, "40"))
    tenant: dict[str, Any] = {"tenant": "asks", "kind": "use_case", "signed": date(2024, 1, 1)}
    old, _ = added(people, since=date(2024, 1, 1), until=long_ago, **tenant)
    new, _ = added(people, since=date(2024, 1, 1), until=recent, **tenant)
    last, _ = added(people, since=date(2024, 1, 1), until=long_ago, **tenant)

    people.do("wim", "SELECT forget_agreements('2999-01-01', 9)")

    left = "SELECT string_agg(id::text, ' ' ORDER BY number) FROM agreement_entry "
    left += "WHERE tenant = 'asks'"
    assert people.do("postgres", left) == f"{new} {last}"
    assert old != new


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"signed": date(2999, 1, 1)}, "signed_in_future"),
        ({"until": date(2026, 1, 5)}, "ends_before_it_begins"),
        ({"until": date(2026, 1, 4)}, "ends_before_it_begins"),
        ({"kind": "baa"}, "baa_without_enterprise"),
        ({"kind": "nda"}, "agreement_entry_kind"),
        ({"tenant": "nobody"}, "unknown_tenant"),
        ({"old": uuid4()}, "superseded_already"),
        ({"since": date(2999, 1, 1)}, ""),
    ],
)
def test_the_catalog_repeats_what_may_be_recorded(
    people: People, given: dict[str, Any], reason: str
) -> None:
    """Whoever goes around the API."""
    assert added(people, **given)[1] == reason


def test_a_baa_needs_an_enterprise_agreement_in_force(people: People) -> None:
    """In the catalog too: one that is over, or of another tenant, does not count."""
    ended: dict[str, Any] = {"kind": "enterprise", "tenant": "shut", "until": date(2026, 2, 1)}
    added(people, **ended)
    added(people, kind="enterprise", tenant="mild")
    before = added(people, kind="baa", tenant="shut")[1]
    other = added(people, kind="enterprise", tenant="shut")

    assert before == "baa_without_enterprise"
    assert other[1] == ""
    assert added(people, kind="baa", tenant="shut")[1] == ""


def test_a_baa_that_replaces_another_needs_one_too(people: People) -> None:
    """Unless it is in force on no other day: a BAA may end when the enterprise agreement has."""
    people.do("postgres", MAKE, tenant="past")
    ended: dict[str, Any] = {"kind": "enterprise", "tenant": "past"}
    enterprise, _ = added(people, **ended)
    baa, _ = added(people, kind="baa", tenant="past")
    added(people, **ended, old=enterprise, until=date(2026, 2, 1))
    again, same = added(people, kind="baa", tenant="past", old=baa)
    short, shortened = added(people, kind="baa", tenant="past", old=again, until=date(2999, 3, 1))

    assert (same, shortened) == ("", "")
    for longer in ({"until": date(2999, 3, 2)}, {}, {"since": date(2026, 1, 4)}):
        given: dict[str, Any] = {"until": None, "old": short} | longer
        assert added(people, kind="baa", tenant="past", **given)[1] == "baa_without_enterprise"
    earlier: dict[str, Any] = {"since": date(2026, 1, 4), "until": date(2999, 3, 1)}
    done = added(people, kind="baa", tenant="past", old=short, **earlier)[1]
    assert done == "baa_without_enterprise"


def test_a_tenant_that_is_made_again_begins_without_a_history(people: People) -> None:
    """What the former one of the id had does not count."""
    people.do("postgres", MAKE, tenant="twice")
    added(people, kind="enterprise", tenant="twice")
    dpa, _ = added(people, tenant="twice")
    people.do("alice", "SELECT remove_tenant('twice')")
    people.do("postgres", MAKE, tenant="twice")

    assert added(people, kind="baa", tenant="twice")[1] == "baa_without_enterprise"
    assert added(people, tenant="twice", old=dpa)[1] == "superseded_already"


def test_an_entry_is_superseded_once_by_one_of_its_kind(people: People) -> None:
    """Of its tenant."""
    first, _ = added(people)
    assert added(people, old=first, kind="use_case")[1] == "another_kind"
    assert added(people, old=first, tenant="mild")[1] == "superseded_already"
    assert added(people, old=first, until=date(2026, 1, 5))[1] == ""
    assert added(people, old=first)[1] == "superseded_already"


@pytest.mark.parametrize("now", ["now() - interval '1 year'", "NULL"])
def test_the_time_is_now(people: People, now: str) -> None:
    """Nobody records as of another time."""
    choice = chosen(people)
    given: dict[str, Any] = {"tenant": "acme", "kind": "delete", "days": 9}

    assert people.do("alice", CHOOSE, now, id=uuid4(), **given) == "wrong_time"
    assert people.do("alice", NOTICE, now, id=choice) == "wrong_time"
    assert people.do("bob", CONFIRM, now, id=choice) == "wrong_time"
    assert people.do("wim", BEGIN, now, id=choice) == "wrong_time"


class TestExits:
    @pytest.mark.parametrize("login", ["carol", "dave", "zoe", "nina", "klass", "postgres"])
    def test_only_a_person_in_force_takes_part(self, people: People, login: str) -> None:
        """Known by its login; nobody speaks for another."""
        choice = chosen(people)
        given: dict[str, Any] = {"tenant": "acme", "kind": "delete", "days": 9}

        assert people.do(login, CHOOSE, id=uuid4(), **given) == "person_not_in_force"
        assert people.do(login, NOTICE, id=choice) == "person_not_in_force"
        assert people.do(login, CONFIRM, id=choice) == "person_not_in_force"

    def test_it_takes_a_notice_and_a_second_person(self, people: People) -> None:
        """In this order, and the one who recorded the choice does not confirm it."""
        choice = chosen(people)
        early = people.do("bob", CONFIRM, id=choice)
        people.do("alice", NOTICE, id=choice)
        own = people.do("alice", CONFIRM, id=choice)

        assert (early, own) == ("notice_missing", "confirmer_requested_it")
        assert people.do("bob", CONFIRM, id=choice) == ""
        assert people.do("postgres", STEPS, id=choice) == "notice alice, confirmation bob"

    @pytest.mark.parametrize("days", [0, -1])
    def test_the_day_lies_ahead(self, people: People, days: int) -> None:
        """When it is chosen, and when the customer is told."""
        given: dict[str, Any] = {"tenant": "acme", "kind": "delete", "days": days}
        choice = chosen(people)
        people.do("postgres", BACKDATE, id=choice)

        assert people.do("alice", CHOOSE, id=uuid4(), **given) == "day_not_ahead"
        assert people.do("alice", NOTICE, id=choice) == "day_not_ahead"

    def test_a_renewal_lets_it_lapse(self, people: People) -> None:
        """For ever: it is neither confirmed nor carried out when the renewal has ended."""
        for tenant in ("late", "soon"):
            people.do("postgres", MAKE, tenant=tenant)
        added(people, tenant="late", until=date(2026, 1, 9))
        choice, early = chosen(people, tenant="late"), chosen(people, tenant="soon")
        for each in (choice, early):
            people.do("alice", NOTICE, id=each)
            people.do("postgres", BACKDATE, id=each)
        confirmed = people.do("bob", CONFIRM, id=choice)
        added(people, tenant="late", since=date(2026, 1, 20), until=date(2026, 2, 1))
        added(people, tenant="soon", until=date(2026, 1, 10))

        assert (confirmed, people.do("wim", BEGIN, id=choice)) == ("", "lapsed")
        assert people.do("bob", CONFIRM, id=early) == "lapsed"
        assert people.do("wim", BEGIN, id=early) == "lapsed"

    def test_a_later_choice_replaces_it(self, people: People) -> None:
        """No step of the former counts, nor is it carried out."""
        former = chosen(people)
        people.do("alice", NOTICE, id=former)
        people.do("bob", CONFIRM, id=former)
        chosen(people)
        people.do("postgres", BACKDATE, id=former)

        done = [people.do("bob", step, id=former) for step in (NOTICE, CONFIRM)]

        assert done == ["replaced", "replaced"]
        assert people.do("wim", BEGIN, id=former) == "replaced"

    def test_unknown_ones_are_refused(self, people: People) -> None:
        """Neither a tenant nor a choice that nobody knows."""
        given: dict[str, Any] = {"tenant": "nobody", "kind": "delete", "days": 9}
        assert people.do("alice", CHOOSE, id=uuid4(), **given) == "unknown_tenant"
        assert people.do("bob", CONFIRM, id=uuid4()) == "unknown_grant"  # as the fixture calls it

    def test_a_worker_begins_it_once_when_all_is_there(self, people: People) -> None:
        """Day, confirmation and the end of the agreement: each missing alone stops it."""
        info = "INSERT INTO catalog_info (id, region, catalog_id, oldest_code, newest_code, "
        info += "identity) VALUES (1, 'eu', gen_random_uuid(), 0, 0, 'known') "
        info += "ON CONFLICT (id) DO UPDATE SET identity = 'known', unread = '{{}}'"
        people.do("postgres", info)
        dpa, _ = added(people, tenant="mild")
        added(people, tenant="mild", old=dpa, until=date(2026, 1, 9))
        choice = chosen(people, tenant="mild")
        people.do("alice", NOTICE, id=choice)
        said = [people.do("wim", BEGIN, id=choice)]
        people.do("postgres", BACKDATE, id=choice)
        said.append(people.do("wim", BEGIN, id=choice))
        people.do("bob", CONFIRM, id=choice)
        renewed, _ = added(people, tenant="mild", since=date(2999, 1, 1))
        said.append(people.do("wim", BEGIN, id=choice))
        added(people, tenant="mild", until=date(2026, 1, 9), old=renewed)
        line = "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "
        line += "(gen_random_uuid(), 'recovery', now() + interval '1 hour', '{{}}', "
        line += "decode(repeat('00', 32), 'hex'), decode(repeat('00', 33), 'hex'))"
        assert people.do("sam", line) == "1"
        people.do("postgres", "UPDATE catalog_info SET unread = '{{eu-a}}'")
        said.append(people.do("wim", BEGIN, id=choice))
        people.do("bob", CONFIRM, id=choice)
        said.append(people.do("wim", BEGIN, id=choice))
        people.do("postgres", info)
        said.append(people.do("wim", BEGIN, id=choice))

        assert said == [
            "day_ahead",
            "not_confirmed",
            "agreement_in_force",
            "not_confirmed",
            "recovering",
            "None",
        ]
        assert people.do("wim", BEGIN, id=choice) == "carried_out"
        assert people.do("bob", CONFIRM, id=choice) == "carried_out"
