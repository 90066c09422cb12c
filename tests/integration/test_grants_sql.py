"""What people with logins and raw SQL can do about the roster and grants: their part alone."""

import json
from ast import literal_eval
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from storage.catalog.log import text_of
from storage.model import LineKind
from storage.policy import read_line
from storage.tlog.commitments import commit
from tests.support.people_sql import (
    APPROVE,
    ENTER,
    FOR_CUSTOMER,
    REQUEST,
    REVOKE,
    USE,
    People,
    people,
)

__all__ = ["people"]

REQUEST_SOME = (
    "SELECT request_grant(:id, 'acme', 'abuse_investigation', 'alice', :scope, :sought, NULL, "
    "NULL, 2, repeat('a', 64), 'sealed', 24, {now})"
)
FORBIDDEN = (
    "INSERT INTO roster SELECT * FROM roster",
    "INSERT INTO access_grant SELECT * FROM access_grant",
    "INSERT INTO grant_approval SELECT * FROM grant_approval",
    "INSERT INTO grant_revocation SELECT * FROM grant_revocation",
    "INSERT INTO grant_use SELECT * FROM grant_use",
    "UPDATE roster SET until = NULL",
    "UPDATE roster SET login = 'alice'",
    "UPDATE access_grant SET until = now() + interval '1 year'",
    "UPDATE access_grant SET requester = 'bob'",
    "UPDATE access_grant SET records_max = 1000000",
    "UPDATE access_grant SET customer_must_approve = false",
    "UPDATE grant_approval SET actor = 'bob'",
    "DELETE FROM roster",
    "DELETE FROM access_grant",
    "DELETE FROM grant_approval",
    "DELETE FROM grant_revocation",
    "DELETE FROM grant_use",
    "INSERT INTO former_login VALUES ('zoe', 'zoe')",
    "UPDATE former_login SET actor = 'zoe'",
    "DELETE FROM former_login",
    "TRUNCATE grant_use",
    "DROP TABLE grant_revocation",
    "ALTER TABLE access_grant DROP CONSTRAINT access_grant_hours",
    "DROP FUNCTION approve_grant",
    "SELECT present_day(now())",
    "SELECT acting_person(current_date)",
    "SELECT lock_grant(gen_random_uuid())",
    "CREATE OR REPLACE FUNCTION roster_entry(who text) RETURNS roster LANGUAGE sql AS ''",
)


class TestRoster:
    @pytest.mark.parametrize("login", ["alice", "bob"])
    def test_only_a_keeper_makes_entries(self, people: People, login: str) -> None:
        """A person in force with another role does not."""
        assert people.do(login, ENTER) == "not_roster_keeper"

    @pytest.mark.parametrize(
        ("login", "why"),
        [
            ("nina", "login_not_in_force"),
            ("carol", "login_not_in_force"),
            ("dave", "login_not_in_force"),
            ("zoe", "login_not_in_force"),
            ("klass", "login_not_in_force"),
            ("sam", "forbidden"),
            ("wim", "forbidden"),
        ],
    )
    def test_who_is_not_in_force_does_nothing(self, people: People, login: str, why: str) -> None:
        """Whatever the role of its login: not in the roster, ended, suspended, a machine."""
        grant = people.request()

        found = {
            people.do(login, statement, id=grant) for statement in (ENTER, REQUEST, APPROVE, REVOKE)
        }

        assert found == {why}

    def test_nobody_enters_himself(self, people: People) -> None:
        """Neither by the login, nor by the actor of the login, nor as the owner of the catalog."""
        assert people.do("kim", ENTER, who="kim") == "own_entry"
        assert people.do("kim", ENTER, who="kim", login="kim2") == "own_entry"
        assert people.do("kim", ENTER, who="other", login="kim") == "own_entry"
        assert people.do("postgres", ENTER, who="other", login="postgres") == "own_entry"

    def test_a_login_is_one_actors_forever(self, people: People) -> None:
        """Also a login that its actor has no more."""
        assert people.do("kim", ENTER, who="frank", login="frank") == ""
        assert people.do("kim", ENTER, who="frank", login="frank2") == ""

        assert people.do("kim", ENTER, who="eve", login="frank") == "login_taken"
        assert people.do("kim", ENTER, who="eve", login="frank2") == "login_taken"
        assert people.do("kim", ENTER, who="frank", login="frank") == ""

    def test_a_former_login_of_an_actor_is_no_longer_his(self, people: People) -> None:
        """The newest entry counts, and only its login."""
        assert people.do("kim", ENTER, who="bob", login="bob2") == ""
        assert people.do("bob", REQUEST, id=uuid4()) == "login_not_in_force"
        assert people.do("kim", ENTER, who="bob", login="bob") == ""

    def test_a_contractor_needs_an_agreement(self, people: People) -> None:
        """The table itself refuses."""
        assert people.do("kim", ENTER, kind="contractor") == "roster_agreement"
        assert people.do("kim", ENTER, kind="contractor", document="a" * 64) == ""

    def test_the_login_of_a_person_who_is_forgotten_stays_his(self, people: People) -> None:
        """It is no process, uses no grant of others and is given to nobody; to him it may be."""
        grant = people.request()
        people.do("bob", APPROVE, id=grant)
        people.do("postgres", "INSERT INTO former_login VALUES ('sam', 'erin'), ('nina', 'erin')")

        assert people.do("sam", USE, id=grant) == "another_actor"
        assert people.do("sam", FOR_CUSTOMER, id=grant) == "not_the_customer"
        assert people.do("nina", APPROVE, id=grant) == "login_not_in_force"
        assert people.do("kim", ENTER, who="eve", login="nina") == "login_taken"
        assert people.do("kim", ENTER, who="erin", login="nina", stopped=True) == ""
        people.do("postgres", "DELETE FROM former_login")
        people.do("postgres", "DELETE FROM roster WHERE actor = 'erin'")

    @pytest.mark.parametrize(
        ("since", "until"),
        [("2026-01-01", "infinity"), ("-infinity", None), ("0044-03-15 BC", None)],
    )
    def test_an_entry_can_be_read(self, people: People, since: str, until: str | None) -> None:
        """Else no process could list any."""
        assert people.do("kim", ENTER, who="erin", since=since, until=until) == "roster_days"

    def test_an_entry_ends_after_it_begins(self, people: People) -> None:
        """And a customer's service is none."""
        assert people.do("kim", ENTER, until="2026-01-01") == "roster_term"
        assert people.do("kim", ENTER, kind="customer") == "roster_kind"


class TestGrant:
    def test_a_second_person_approves_and_the_user_uses_it(self, people: People) -> None:
        """Who requests and who uses may be one. The same record again is not counted again."""
        grant = people.request()

        assert people.do("sam", USE, id=grant) == "not_approved"
        assert people.do("bob", APPROVE, id=grant) == ""
        assert people.do("sam", USE, id=grant) == "True"
        assert people.do("sam", USE, id=grant) == "False"
        assert people.do("sam", USE, id=grant, uid="01") == "True"
        assert people.do("sam", USE, id=grant, uid="02") == "exhausted"
        assert people.do("sam", USE, id=grant) == "False"

    @pytest.mark.parametrize(
        ("requester", "user", "approver", "why"),
        [
            ("alice", "alice", "alice", "approver_is_requester"),
            ("bob", "alice", "bob", "approver_is_requester"),
            ("bob", "alice", "alice", "approver_is_user"),
        ],
    )
    def test_nobody_approves_for_himself(
        self, people: People, requester: str, user: str, approver: str, why: str
    ) -> None:
        """By raw SQL in the role of an admin, whatever role the session takes."""
        grant = people.request(requester, actor=user)

        assert people.do(approver, APPROVE, id=grant) == why
        assert people.do(approver, f"SET ROLE domicile_admin; {APPROVE}", id=grant) == why
        assert people.do("sam", USE, id=grant, actor=user) == "not_approved"

    @pytest.mark.parametrize("role", ["bob", "postgres", "domicile_service", "domicile_worker"])
    def test_a_session_cannot_become_another_login(self, people: People, role: str) -> None:
        """Only a superuser can."""
        assert people.do("alice", f"SET ROLE {role}") == "forbidden"
        assert people.do("alice", f"SET SESSION AUTHORIZATION {role}") == "forbidden"

    @pytest.mark.parametrize("login", ["alice", "sam", "wim"])
    def test_no_role_writes_the_tables_or_changes_the_functions(
        self, people: People, login: str
    ) -> None:
        """The functions alone do."""
        found = {statement: people.do(login, statement) for statement in FORBIDDEN}

        assert found == dict.fromkeys(FORBIDDEN, "forbidden")

    @pytest.mark.parametrize(
        ("login", "statement"),
        [
            ("sam", APPROVE),
            ("sam", REVOKE),
            ("alice", FOR_CUSTOMER),
            ("wim", FOR_CUSTOMER),
            ("wim", USE),
        ],
    )
    def test_each_role_has_its_part(self, people: People, login: str, statement: str) -> None:
        """A service approves for the customer and uses; a person does neither for a customer."""
        assert people.do(login, statement, id=people.request()) == "forbidden"

    def test_what_a_person_puts_in_the_way_is_not_used(self, people: People) -> None:
        """A temporary table of the same name is not read instead of the roster."""
        grant = people.request()
        fake = (
            "CREATE TEMP TABLE roster AS SELECT * FROM roster; "
            "UPDATE pg_temp.roster SET actor = 'bob' WHERE login = 'alice'; "
        )

        assert people.do("alice", fake + APPROVE, id=grant) == "approver_is_requester"

    def test_what_a_worker_puts_into_the_schema_is_not_used(self, people: People) -> None:
        """Before revision 0023 it could: also an operator that fits better than the real one."""
        no = "CREATE FUNCTION no_overlap(text[], text[]) RETURNS boolean LANGUAGE sql RETURN false"
        operator = "CREATE OPERATOR && (LEFTARG = text[], RIGHTARG = text[], FUNCTION = no_overlap)"
        assert people.do("postgres", "GRANT CREATE ON SCHEMA public TO wim") == "-1"
        assert {people.do("wim", planted) for planted in (no, operator)} == {"-1"}

        found = people.do("alice", REQUEST, id=uuid4(), tenant="shut")
        people.do("wim", "DROP OPERATOR && (text[], text[])")
        people.do("wim", "DROP FUNCTION no_overlap")
        people.do("postgres", "REVOKE CREATE ON SCHEMA public FROM wim")
        assert found == "no_human_review"

    @pytest.mark.parametrize(
        "now",
        [
            "timestamptz '2026-01-15'",
            "timestamptz 'infinity'",
            "NULL",
            "now() + interval '2 minutes'",
        ],
    )
    def test_no_time_but_now_is_taken(self, people: People, now: str) -> None:
        """Else an ended entry acts again, and a grant is good for longer, or later."""
        grant = people.request()

        assert {
            people.do("alice", statement, now=now, id=grant)
            for statement in (ENTER, REQUEST, APPROVE, REVOKE, USE)
        } == {"wrong_time"}
        assert people.do("carol", ENTER, now="timestamptz '2026-01-15'") == "wrong_time"

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"hours": 25}, "access_grant_hours"),
            ({"hours": 0}, "access_grant_hours"),
            ({"most": 0}, "access_grant_records"),
            ({"case": "x" * 65}, "not_a_code"),
            ({"case": ""}, "not_a_code"),
            ({"purpose": "subject_request"}, "access_grant_case"),
            ({"purpose": "serve", "case": "1"}, "access_grant_purpose"),
            ({"purpose": "legal", "case": "1"}, "access_grant_hold"),
            ({"purpose": "legal", "hold": uuid4(), "case": "1"}, "hold_not_in_force"),
            ({"hold": uuid4()}, "hold_not_in_force"),
            ({"tenant": "nobody"}, "unknown_tenant"),
            ({"tenant": "shut"}, "no_human_review"),
            ({"tenant": "mild"}, "no_human_review"),
            ({"actor": "nina"}, "actor_not_in_force"),
            ({"actor": "carol"}, "actor_not_in_force"),
            ({"actor": "dave"}, "actor_not_in_force"),
            ({"actor": "zoe"}, "actor_not_in_force"),
            ({"actor": "klass"}, "actor_not_in_force"),
        ],
    )
    def test_what_is_not_granted(self, people: People, given: dict[str, Any], why: str) -> None:
        """By raw SQL, past all that the command and the policy check."""
        assert people.do("alice", REQUEST, id=uuid4(), **given) == why

    @pytest.mark.parametrize(
        ("scope", "sought", "why"),
        [
            ("record", [b"a" * 10], ""),
            ("record", [b"a" * 10, b"b" * 10], "wider_than_said"),
            ("record", [], "wider_than_said"),
            ("subject", [b"\1a"], ""),
            ("subject", [b"\2a", b"\1b"], ""),  # of two versions of the key
            ("subject", [b"\1a", b"\1b"], "wider_than_said"),
            ("group", [b"\2a", b"\1b"], ""),
            ("group", [b"\2a", b"\1b", b"\1c"], "wider_than_said"),
            ("group", [[b"\2a"], [b"\1b"]], "wider_than_said"),
            ("subject", [b"\2a", None], "wider_than_said"),
            ("tenant", [], ""),
        ],
    )
    def test_a_grant_covers_what_its_approver_reads(
        self, people: People, scope: str, sought: list[Any], why: str
    ) -> None:
        """One record, or one subject or group, which has one pseudonym under each key."""
        assert people.do("alice", REQUEST_SOME, id=uuid4(), scope=scope, sought=sought) == why

    def test_a_grant_under_a_hold_covers_what_its_approver_reads(self, people: People) -> None:
        """Also if the hold was confirmed by older code."""
        hold = uuid4()
        place = (
            "INSERT INTO hold (id, number, tenant, scope, sought, matter, authority, issuer, "
            "placed, review, confirmed) SELECT :id, coalesce(max(number), 0) + 1, 'acme', "
            "'subject', ARRAY['a'::bytea, 'ab'::bytea], 'm', 'a', 'i', now(), '2027-01-01', now() "
            "FROM hold"
        )
        people.do("postgres", place, id=hold)

        legal: dict[str, Any] = {"purpose": "legal", "hold": hold, "case": "1"}
        found = people.do("alice", REQUEST, id=uuid4(), **legal)
        people.do("postgres", "DELETE FROM hold WHERE id = :id", id=hold)
        assert found == "wider_than_said"

    def test_an_approval_of_the_user_or_the_requester_never_counts(self, people: People) -> None:
        """Not even one that the owner of the catalog wrote."""
        grant = people.request("bob")
        forged = (
            "INSERT INTO grant_approval (grant_id, actor, login, for_customer, signature, at) "
            "SELECT :id, who, who, false, decode(repeat('00', 64), 'hex'), now() "
            "FROM unnest(ARRAY['alice', 'bob']) AS who"
        )
        assert people.do("postgres", forged, id=grant) == "2"

        assert people.do("sam", USE, id=grant) == "not_approved"

    def test_a_grant_is_not_used_by_another_person(self, people: People) -> None:
        """A service authenticates people; a person's own login uses that person's grants alone."""
        grant = people.request()
        people.do("bob", APPROVE, id=grant)

        assert people.do("sam", USE, id=grant, actor="bob") == "another_actor"
        assert people.do("bob", USE, id=grant) == "another_actor"
        assert people.do("alice", USE, id=grant) == "True"

    def test_a_revoked_grant_is_neither_approved_nor_used(self, people: People) -> None:
        """Not even for a record that was counted before."""
        grant = people.request()
        people.do("bob", APPROVE, id=grant)
        assert people.do("sam", USE, id=grant) == "True"

        assert people.do("kim", REVOKE, id=grant) == ""
        assert people.do("alice", REVOKE, id=grant) == ""
        assert people.do("sam", USE, id=grant) == "revoked"
        assert people.do("kim", APPROVE, id=grant) == "revoked"

    def test_a_grant_that_is_over_is_neither_approved_nor_used(self, people: People) -> None:
        """As its own end says, by the clock of the catalog."""
        grant = people.request()
        people.do("bob", APPROVE, id=grant)
        earlier = (
            "UPDATE access_grant SET requested = now() - interval '1 day', "
            "until = now() WHERE id = :id"
        )
        assert people.do("postgres", earlier, id=grant) == "1"

        assert people.do("sam", USE, id=grant) == "expired"
        assert people.do("kim", APPROVE, id=grant) == "expired"

    @pytest.mark.parametrize("change", [{"until": "2026-02-01"}, {"stopped": True}])
    def test_a_grant_ends_with_the_entry_of_its_user(
        self, people: People, change: dict[str, Any]
    ) -> None:
        """Whoever leaves opens nothing more."""
        people.do("kim", ENTER, who="gwen")
        grant = people.request(actor="gwen")
        people.do("bob", APPROVE, id=grant)
        assert people.do("sam", USE, id=grant, actor="gwen") == "True"

        assert people.do("kim", ENTER, who="gwen", **change) == ""
        assert people.do("sam", USE, id=grant, actor="gwen") == "actor_not_in_force"

    def test_of_a_grant_that_does_not_exist(self, people: People) -> None:
        """Each function says so."""
        assert {people.do("bob", s, id=uuid4()) for s in (APPROVE, REVOKE, USE)} == {
            "unknown_grant"
        }
        assert people.do("sam", FOR_CUSTOMER, id=uuid4()) == "unknown_grant"


class TestCustomer:
    @pytest.mark.parametrize("tenant", ["asks", "shut", "mild"])
    def test_nothing_is_opened_without_the_customer(self, people: People, tenant: str) -> None:
        """If its terms ask for that. The approval of a second person does not replace it."""
        grant = people.request(tenant=tenant, purpose="subject_request", case="1")
        people.do("bob", APPROVE, id=grant)

        assert people.do("sam", USE, id=grant) == "customer_has_not_approved"
        assert people.do("sam", FOR_CUSTOMER, id=grant, tenant=tenant) == ""
        assert people.do("sam", USE, id=grant) == "True"

    def test_the_customer_alone_is_not_enough(self, people: People) -> None:
        """A second person must approve too."""
        grant = people.request(tenant="asks")

        assert people.do("sam", FOR_CUSTOMER, id=grant, tenant="asks") == ""
        assert people.do("sam", USE, id=grant) == "not_approved"

    def test_terms_that_change_bind_a_grant_that_was_made_before(self, people: People) -> None:
        """A customer that closes the door closes it at once."""
        change = "UPDATE tenant SET traits = :traits WHERE id = 'acme'"
        grant = people.request()
        people.do("bob", APPROVE, id=grant)
        found = []
        for traits in (["customer_approved"], ["no_human_review"], []):
            people.do("postgres", change, traits=traits)
            found.append(people.do("sam", USE, id=grant))

        assert found == ["customer_has_not_approved", "no_human_review", "True"]

    def test_what_the_terms_asked_for_at_the_request_stays(self, people: People) -> None:
        """Whoever changes the terms afterwards does not spare the customer's approval."""
        change = "UPDATE tenant SET traits = :traits WHERE id = 'asks'"
        grant = people.request(tenant="asks")
        people.do("bob", APPROVE, id=grant)
        people.do("postgres", change, traits=[])
        found = people.do("sam", USE, id=grant)
        people.do("postgres", change, traits=["customer_approved"])

        assert found == "customer_has_not_approved"

    def test_a_legal_grant_needs_no_customer_and_takes_the_scope_of_its_hold(
        self, people: People
    ) -> None:
        """And ends with the hold."""
        hold = uuid4()
        place = (
            "INSERT INTO hold (id, number, tenant, scope, sought, matter, authority, issuer, "
            "placed, review) VALUES (:id, 1, 'asks', 'subject', ARRAY['x'::bytea], 'm', 'a', 'i', "
            "now(), '2027-01-01')"
        )
        people.do("postgres", place, id=hold)
        legal: dict[str, Any] = {"purpose": "legal", "hold": hold, "case": "1"}
        assert people.do("alice", REQUEST, id=uuid4(), **legal) == "hold_not_in_force"  # of asks
        unconfirmed = people.do("alice", REQUEST, id=uuid4(), tenant="asks", **legal)
        people.do("postgres", "UPDATE hold SET confirmed = now()")
        grant = people.request(tenant="asks", **legal)
        people.do("bob", APPROVE, id=grant)
        scope = "SELECT scope || encode(sought[1], 'escape') FROM access_grant WHERE id = :id"

        assert unconfirmed == "hold_not_confirmed"
        assert people.do("alice", scope, id=grant) == "subjectx"
        assert people.do("sam", USE, id=grant) == "True"
        people.do("postgres", "UPDATE hold SET released = now()")
        assert people.do("sam", USE, id=grant, uid="01") == "hold_not_in_force"

    def test_nobody_of_the_roster_speaks_for_a_customer(self, people: People) -> None:
        """Not under the name of a customer, and not for another tenant."""
        grant = people.request(tenant="asks")
        people.do("kim", ENTER, who="sid", login="sid")

        assert people.do("sam", FOR_CUSTOMER, id=grant, tenant="acme") == "unknown_grant"
        assert people.do("sam", FOR_CUSTOMER, id=grant, tenant="asks", actor="bob") == (
            "not_the_customer"
        )
        people.do("postgres", "GRANT domicile_service TO alice")
        assert people.do("alice", FOR_CUSTOMER, id=grant, tenant="asks") == "not_the_customer"
        people.do("postgres", "REVOKE domicile_service FROM alice")


def line_about(people: People, kind: str, about: UUID | str) -> list[dict[str, Any]]:
    """Return the lines of a kind about a grant or an actor, each as the code writes it."""
    query = (
        "SELECT json_agg(json_build_array(id, kind, at, text, encode(salt, 'hex'), "
        "encode(commitment, 'hex'), login) ORDER BY at) FROM log_line "
        "WHERE kind = :kind AND :about IN (text::json ->> 'grant', text::json ->> 'actor')"
    )
    rows = people.do("alice", query, kind=kind, about=str(about))
    found = []
    for line, what, at, said, salt, entry, login in literal_eval(rows) or ():
        facts = json.loads(said)
        assert read_line(LineKind(what), said) is not None
        assert commit(bytes.fromhex(salt), said).hex() == entry
        common = {"line", "kind", "at"}
        rest = {name: value for name, value in facts.items() if name not in common}
        moment = datetime.fromisoformat(at)
        assert text_of(UUID(line), LineKind(what), rest, moment) == said
        found.append({**rest, "login": login})
    return found


def with_old_texts(people: People, table: str, change: str) -> None:
    """Let a table take what is no code, as it did before, or not any more."""
    people.do("postgres", f"ALTER TABLE {table} {change} TRIGGER {table}_codes")


def test_each_event_of_a_grant_has_one_line_whoever_calls(people: People) -> None:
    """With the login of who did it. What changes nothing, or is refused, adds none."""
    with_old_texts(people, "access_grant", "DISABLE")
    grant = people.request("alice", case='a "case"\n/ é \U0001f600')
    with_old_texts(people, "access_grant", "ENABLE")
    assert people.do("bob", REVOKE, id=uuid4()) == "unknown_grant"
    for _ in range(2):
        people.do("bob", APPROVE, id=grant)
        people.do("sam", FOR_CUSTOMER, id=grant)
    for _ in range(2):
        people.do("bob", REVOKE, id=grant)

    (asked,) = line_about(people, "grant_requested", grant)
    assert (asked["login"], asked["requester"], asked["approved_by"]) == ("alice", "alice", [])
    assert asked["case"] == 'a "case"\n/ é \U0001f600'
    approvals = line_about(people, "grant_approved", grant)
    assert [(x["login"], x["approved_by"]) for x in approvals] == [
        ("bob", ["bob"]),
        ("sam", ["bob", "customer-1"]),
    ]
    (revoked,) = line_about(people, "grant_revoked", grant)
    assert (revoked["login"], revoked["revoked_by"]) == ("bob", "bob")
    assert revoked["justification"] == "a" * 64


def test_each_entry_in_the_roster_has_one_line_whoever_makes_it(people: People) -> None:
    """With the login of who made it, and how many people there are now. A refusal adds none."""
    before = staff_in_force(people)
    assert people.do("alice", ENTER, who="gina") == "not_roster_keeper"
    with_old_texts(people, "roster", "DISABLE")
    assert people.do("kim", ENTER, who="gina", role="é \U0001f600") == ""
    with_old_texts(people, "roster", "ENABLE")
    assert people.do("kim", ENTER, who="gina", kind="contractor", document="d" * 64) == ""
    assert people.do("kim", ENTER, who="gina", until="2026-02-01", stopped=True) == ""
    assert people.do("kim", ENTER, who="robot", kind="machine") == ""

    first, second, third = line_about(people, "roster", "gina")
    assert first == {
        "actor": "gina",
        "actor_kind": "employee",
        "role": "é \U0001f600",
        "employer": "us",
        "location": "EU",
        "agreement": None,
        "since": "2026-01-01",
        "until": None,
        "suspended": 0,
        "by": "kim",
        "staff": before + 1,
        "staff_max": None,
        "login": "kim",
    }
    assert (second["actor_kind"], second["agreement"]) == ("contractor", "d" * 64)
    assert (third["until"], third["suspended"], third["staff"]) == ("2026-02-01", 1, before)
    (machine,) = line_about(people, "roster", "robot")
    assert machine["staff"] == before


def staff_in_force(people: People) -> int:
    """Return how many people may act today."""
    count = (
        "SELECT count(*) FROM (SELECT DISTINCT ON (actor) * FROM roster "
        "ORDER BY actor, number DESC) e WHERE kind <> 'machine' AND NOT suspended "
        "AND since <= current_date AND (until IS NULL OR until > current_date)"
    )
    return int(people.do("alice", count))


def test_no_number_of_approvals_keeps_a_grant_from_being_revoked(people: People) -> None:
    """A line has at most 64 KiB: it names the first approvals."""
    grant = people.request("alice")
    many = (
        "SELECT count(approve_grant_for_customer(:id, 'acme', repeat('c', 60) || n, "
        "clock_timestamp())) FROM generate_series(1, 40) n"
    )
    assert people.do("sam", many, id=grant) == "40"
    people.do("bob", REVOKE, id=grant)
    (revoked,) = line_about(people, "grant_revoked", grant)
    assert len(revoked["approved_by"]) == 20


def test_no_login_writes_a_line_through_the_function_of_the_catalog(people: People) -> None:
    """It would be about a grant that nobody requested."""
    forged = "SELECT add_log_line('grant_approved', '{{}}', now())"
    for login in ("alice", "sam", "wim"):
        assert people.do(login, forged) == "forbidden"
        assert people.do(login, "SELECT note_grant('grant_approved', :id, now())", id=uuid4()) == (
            "forbidden"
        )
        assert people.do(login, "SELECT note_root_key(7)") == "forbidden"
