"""What people with logins and raw SQL can do about legal holds: their part alone."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from regions.model import DataClass
from storage.catalog import hold_changes
from storage.model import CarveOut
from tests.support.people_sql import REQUEST, People, people

__all__ = ["people"]

PLACE = "SELECT place_hold(CAST(:new AS jsonb), '[]')"
PLACE_AS_BEFORE = (
    "INSERT INTO hold (id, number, tenant, scope, matter, authority, issuer, placed, review) "
    "SELECT :id, coalesce(max(number), 0) + 1, 'acme', 'tenant', 'm', 'a', 'i', now(), now() "
    "FROM hold"
)
REPLAY = "SELECT replay_hold(CAST(:new AS jsonb), '[]', 'bob', 'bob')"
CONFIRM = "SELECT confirm_hold(:id, {now})"
REPLAY_CONFIRMATION = "SELECT replay_confirmation(:id, 'bob', {now})"
ASK = "SELECT request_hold_change(CAST(:new AS jsonb), {now})"
APPROVE = "SELECT approve_hold_change(:id, {now})"
REPLAY_CHANGE = "SELECT replay_hold_change(CAST(:new AS jsonb), {now})"
RECOVERING = (
    "INSERT INTO catalog_info (id, region, catalog_id, oldest_code, newest_code) "
    "VALUES (1, 'eu-central-1', gen_random_uuid(), 0, 0) ON CONFLICT (id) "
    "DO UPDATE SET identity = NULL"
)
RECOVERED = "UPDATE catalog_info SET identity = 'known'"
RELEASED = "SELECT released IS NOT NULL FROM hold WHERE id = :id"
OTHER_ACCOUNT = (
    "INSERT INTO tenant (id, account, home, residency, service, dedicated, retention, version, "
    "created) VALUES ('other', 'b', 'eu', 'EU', 'api', false, '{{}}', 1, now()) "
    "ON CONFLICT DO NOTHING"
)
STANDS = "SELECT sponsor || ',' || coalesce(confirmed_by, '') FROM hold WHERE id = :id"
FORBIDDEN = (
    "INSERT INTO hold SELECT * FROM hold",
    "INSERT INTO hold (id, sponsor) VALUES (gen_random_uuid(), 'bob')",
    "INSERT INTO hold (id, placed_login) VALUES (gen_random_uuid(), 'bob')",
    "INSERT INTO hold (id, confirmed) VALUES (gen_random_uuid(), now())",
    "INSERT INTO hold (id, released) VALUES (gen_random_uuid(), now())",
    "UPDATE hold SET confirmed = now(), confirmed_by = 'bob'",
    "UPDATE hold SET sponsor = 'bob'",
    "UPDATE hold SET released = now()",
    "UPDATE hold SET authority_jurisdiction = 'EU'",
    "UPDATE hold SET classes = '{{}}'",
    "INSERT INTO hold_carve_out (hold_id, classes) SELECT id, '{{}}' FROM hold",
    "INSERT INTO hold_change SELECT * FROM hold_change",
    "UPDATE hold_change SET requested_by = 'bob'",
    "UPDATE hold_change SET approved = now(), approved_by = 'bob'",
    "UPDATE hold_change SET carve_outs = '[]'",
    "DELETE FROM hold_change",
    "DELETE FROM hold",
    "SELECT release_hold(gen_random_uuid(), '', now())",
    "SELECT carve_out(gen_random_uuid(), NULL, '[]')",
    "SELECT note_confirmation(gen_random_uuid(), 'bob', now())",
    "SELECT make_true(c, now()) FROM hold_change c",
    "SELECT insert_hold('{{}}', '[]', 'bob', 'bob')",
    "SELECT replay_confirmation(gen_random_uuid(), 'bob', now())",
    "CREATE OR REPLACE FUNCTION person_of_session() RETURNS text LANGUAGE sql AS ''",
)


def new_hold(hold: UUID) -> str:
    """Return a hold on a whole region, as the function of the catalog takes it."""
    fields = {
        "id": str(hold),
        "scope": "region",
        "matter": "m",
        "authority": "a",
        "issuer": "i",
        "placed": datetime.now(UTC).isoformat(),
        "review": "2030-01-01",
        # what it says of people counts for nothing
        "sponsor": "bob",
        "placed_login": "bob",
        "confirmed": datetime.now(UTC).isoformat(),
        "confirmed_by": "bob",
    }
    return json.dumps(fields)


def new_change(change: UUID, hold: UUID, **other: object) -> str:
    """Return a release, as the function of the catalog takes it."""
    fields = {"id": str(change), "hold_id": str(hold), "kind": "release", "why": "settled"}
    people = {"requested": "2026-01-01T00:00Z", "requested_by": "bob"}
    people |= {"approved": "2026-01-01T00:00Z", "approved_by": "carol"}
    return json.dumps({**fields, **people, **other})


def placed(people: People, login: str = "alice", **other: object) -> UUID:
    """Place a hold as somebody."""
    hold = uuid4()
    new = json.dumps(json.loads(new_hold(hold)) | other)
    assert people.do(login, PLACE, new=new) == "True"
    return hold


class TestConfirming:
    def test_who_stands_for_it_is_known_by_the_login(self, people: People) -> None:
        """Whatever the hold says of itself; the same person does not confirm it."""
        hold = placed(people)
        before = people.do("postgres", STANDS, id=hold)
        own = people.do("alice", CONFIRM, id=hold)
        second = people.do("bob", CONFIRM, id=hold)

        assert (before, own, second) == ("alice,", "confirmer_stands_for_it", "True")
        assert people.do("postgres", STANDS, id=hold) == "alice,bob"

    def test_a_hold_that_older_code_placed_names_its_login_too(self, people: People) -> None:
        """It has no sponsor; but who inserted it neither stands for it nor confirms it."""
        hold = uuid4()
        people.do("alice", PLACE_AS_BEFORE, id=hold)

        assert people.do("alice", CONFIRM, id=hold) == "confirmer_stands_for_it"
        assert people.do("bob", CONFIRM, id=hold) == "True"
        assert people.do("bob", CONFIRM, id=hold) == "confirmer_stands_for_it"
        assert people.do("postgres", STANDS, id=hold) == "bob,"

    @pytest.mark.parametrize("login", ["carol", "dave", "nina", "klass", "postgres"])
    def test_only_a_person_in_force_confirms(self, people: People, login: str) -> None:
        """Nor do they request or approve a change; but all of them may place a hold."""
        hold, change = placed(people, login), uuid4()
        asked = people.do("alice", ASK, new=new_change(change, hold))
        refused = {
            people.do(login, CONFIRM, id=hold),
            people.do(login, ASK, new=new_change(uuid4(), hold)),
            people.do(login, APPROVE, id=change),
        }

        assert (asked, refused) == ("", {"person_not_in_force"})

    @pytest.mark.parametrize("now", ["now() - interval '1 year'", "NULL"])
    def test_the_time_is_now(self, people: People, now: str) -> None:
        """An entry that has ended is not in force for whoever names an earlier time."""
        hold = placed(people)

        assert people.do("carol", CONFIRM, now, id=hold) == "wrong_time"


class TestChanging:
    def test_nobody_approves_what_he_requested(self, people: People) -> None:
        """Whatever the request says of its people, and under whatever role he is."""
        hold, change = placed(people), uuid4()
        people.do("alice", ASK, new=new_change(change, hold))
        own = people.do("alice", APPROVE, id=change)
        in_role = people.do("alice", f"SET LOCAL ROLE domicile_admin; {APPROVE}", id=change)
        before = people.do("postgres", RELEASED, id=hold)
        second = people.do("bob", APPROVE, id=change)

        assert {own, in_role} == {"approver_requested_it"}
        assert (before, second) == ("False", "True")
        assert people.do("postgres", RELEASED, id=hold) == "True"
        assert people.do("bob", ASK, new=new_change(uuid4(), hold)) == "hold_released"

    def test_a_change_says_what_its_kind_says(self, people: People) -> None:
        """The catalog refuses one that would be in force without saying what it does."""
        hold = placed(people)
        wrong: dict[str, dict[str, object]] = {
            "hold_change_why": {"why": None},
            "hold_change_kind": {"kind": "end"},
            "hold_change_narrowing": {"kind": "narrowing"},
            "hold_change_decision": {"permitted": True},
        }
        for constraint, fields in wrong.items():
            asked = people.do("alice", ASK, new=new_change(uuid4(), hold, **fields))
            assert asked == constraint

    def test_no_person_replays(self, people: People) -> None:
        """Admins may not, and a worker whose login is that of a person is refused."""
        hold = placed(people)
        replays: dict[str, dict[str, Any]] = {
            REPLAY: {"new": new_hold(uuid4())},
            REPLAY_CONFIRMATION: {"id": hold},
            REPLAY_CHANGE: {"new": new_change(uuid4(), hold)},
        }
        people.do("postgres", "GRANT domicile_worker TO dave")
        people.do("postgres", RECOVERING)
        for statement, given in replays.items():
            assert people.do("alice", statement, **given) == "forbidden"
            assert people.do("dave", statement, **given) == "not_a_process"
            assert people.do("wim", statement, **given) == "True"
        people.do("postgres", RECOVERED)
        people.do("postgres", "REVOKE domicile_worker FROM dave")

    def test_a_worker_stands_for_nobody(self, people: People) -> None:
        """Only in a catalog that is being recovered it replays what people did."""
        hold = placed(people)
        people.do("postgres", RECOVERED)

        assert people.do("wim", REPLAY_CONFIRMATION, id=hold) == "not_recovering"
        change = new_change(uuid4(), hold)
        assert people.do("wim", REPLAY_CHANGE, new=change) == "not_recovering"
        whole = json.dumps({"hold_id": str(hold), "kind": "release", "why": "x"})
        assert people.do("wim", REPLAY_CHANGE, new=whole) == "not_recovering"
        assert people.do("postgres", RELEASED, id=hold) == "False"

    @pytest.mark.parametrize("statement", FORBIDDEN)
    def test_what_nobody_does_with_raw_sql(self, people: People, statement: str) -> None:
        """Not as a person, a service or a worker."""
        placed(people)

        assert {people.do(login, statement) for login in ("alice", "sam")} == {"forbidden"}


class TestCovering:
    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE tenant SET account = 'nobody' WHERE id = 'acme'",
            "UPDATE tenant SET home = 'us' WHERE id = 'acme'",
            "UPDATE tenant SET id = 'acme2' WHERE id = 'acme'",
        ],
    )
    def test_a_tenant_stays_where_holds_find_it(self, people: People, change: str) -> None:
        """An admin alone takes nothing out of a hold on an account, or under one that omits it."""
        assert people.do("alice", change) == "tenant_kept"

    @pytest.mark.parametrize(
        ("scope", "sought", "why"),
        [
            ("subject", ["01aa", "01bb"], "wider_than_said"),
            ("group", ["02aa", "01aa", "01bb"], "wider_than_said"),
            ("record", ["aa", "bb"], "wider_than_said"),
            ("subject", ["02aa", "01bb"], "True"),  # of two versions of the key
            ("record", ["aa"], "True"),
        ],
    )
    def test_a_hold_that_covers_more_than_it_says_is_not_confirmed(
        self, people: People, scope: str, sought: list[str], why: str
    ) -> None:
        """It keeps that; but who confirms it reads "one subject", and who grants under it."""
        more: dict[str, object] = {"tenant": "acme", "scope": scope}
        more |= {"sought": [f"\\x{value}" for value in sought]}
        hold = placed(people, "alice", **more)

        assert people.do("bob", CONFIRM, id=hold) == why


class TestReadable:
    """What one login writes, every process can read: else it could list no hold of the region."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("placed", "-infinity"),
            ("placed", "0044-03-15 BC"),
            ("review", "infinity"),
            ("review", "0044-03-15 BC"),
            ("minted_from", "-infinity"),
            ("minted_to", "infinity"),
            ("minted_to", "10000-01-01 00:00+00"),
            ("cutoff", "infinity"),
            ("classes", ["nope"]),
            ("classes", ["prompt", None]),
            ("classes", [["prompt"]]),
            ("sought", [None]),
        ],
    )
    def test_a_hold(self, people: People, field: str, value: object) -> None:
        """Whatever the function is given."""
        new = json.dumps(json.loads(new_hold(uuid4())) | {field: value})

        assert people.do("alice", PLACE, new=new) == "hold_readable"

    @pytest.mark.parametrize("dates", ["'-infinity', now()", "now(), 'infinity'"])
    def test_a_hold_that_is_inserted(self, people: People, dates: str) -> None:
        """Past the function, as older code does."""
        insert = PLACE_AS_BEFORE.replace("now(), now()", dates)

        assert people.do("alice", insert, id=uuid4()) == "hold_readable"

    @pytest.mark.parametrize(
        "part",
        [
            {"classes": ["nope"]},
            {"minted_to": "infinity"},
            {"minted_from": "0044-03-15 BC"},
            {"tenants": [None]},
            {"accounts": [["a"]]},
        ],
    )
    def test_what_a_hold_leaves_out(self, people: People, part: dict[str, object]) -> None:
        """When it is placed."""
        place = PLACE.replace("'[]'", "CAST(:parts AS jsonb)")

        found = people.do("alice", place, new=new_hold(uuid4()), parts=json.dumps([part]))

        assert found == "hold_carve_out_readable"

    @pytest.mark.parametrize(
        "parts",
        [
            "x",
            {},
            [{}],
            ["x"],
            [{"minted_to": "infinity"}],
            [{"minted_to": "0044-03-15 BC"}],
            [{"minted_to": "yesterday"}],
            [{"minted_to": "2026-03-01"}],
            [{"minted_to": "2026-03-01T24:00:00Z"}],
            [{"minted_to": "9999-12-31T23:59:59-01:00"}],
            [{"minted_to": 3}],
            [{"classes": ["nope"]}],
            [{"classes": []}],
            [{"tenants": "acme"}],
            [{"tenants": [3]}],
            [{"tenants": ["acme"]}, {"accounts": [None]}],
            [{"bogus": 1, "tenants": ["acme"]}],
            [{"tenants": None, "classes": ["prompt"]}],
        ],
    )
    def test_what_a_narrowing_takes_out(self, people: People, parts: object) -> None:
        """When it is requested: who approves it reads it."""
        change = new_change(uuid4(), placed(people), kind="narrowing", carve_outs=parts)

        assert people.do("alice", ASK, new=change) == "hold_change_readable"

    @pytest.mark.parametrize("data_class", DataClass)
    def test_what_code_writes(self, people: People, data_class: DataClass) -> None:
        """Every class, and every moment that it knows."""
        first = datetime(1, 1, 1, tzinfo=UTC)
        last = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        part = CarveOut(("acme",), ("a",), (data_class,), first, last)
        plain = hold_changes.plain(hold_changes.stored(part))
        hold, change = uuid4(), uuid4()
        more = {"classes": [data_class], "minted_from": str(first), "minted_to": str(last)}
        new = json.dumps(json.loads(new_hold(hold)) | more)
        parts = json.dumps([plain])
        narrowing = new_change(change, hold, kind="narrowing", carve_outs=[plain])

        place = PLACE.replace("'[]'", "CAST(:parts AS jsonb)")
        assert people.do("alice", place, new=new, parts=parts) == "True"
        assert people.do("alice", ASK, new=narrowing) == ""
        assert people.do("bob", APPROVE, id=change) == "True"


class TestReading:
    @pytest.mark.parametrize(("account", "others"), [(None, ""), ("b", "hold_not_in_force")])
    def test_under_a_hold_on_several_tenants_a_grant_is_for_one(
        self, people: People, account: str | None, others: str
    ) -> None:
        """Of the account, if it is on one. The grant then opens any record that the hold covers."""
        hold, grant = uuid4(), uuid4()
        place = (
            "INSERT INTO hold (id, number, account, scope, matter, authority, issuer, placed, "
            "review, confirmed) VALUES (:id, (SELECT coalesce(max(number), 0) + 1 FROM hold), "
            ":account, :scope, 'm', 'a', 'i', now(), '2027-01-01', now())"
        )
        scope = "account" if account else "region"
        people.do("postgres", place, id=hold, account=account, scope=scope)
        people.do("postgres", OTHER_ACCOUNT)
        legal: dict[str, Any] = {"purpose": "legal", "hold": hold, "case": "1"}
        found = people.do("alice", REQUEST, id=grant, tenant="other", **legal)
        other = people.do("alice", REQUEST, id=uuid4(), tenant="acme", **legal)
        read = "SELECT scope || cardinality(sought) FROM access_grant WHERE id = :id"

        assert (found, other) == ("", others)
        assert people.do("alice", read, id=grant) == "tenant0"
