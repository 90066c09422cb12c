"""What logins do with raw SQL leaves its line, and takes nothing off what an erasure waits for."""

import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from storage.catalog import log
from storage.model import (
    Agreement,
    CarveOut,
    DataClass,
    LineKind,
    LogLine,
    NewRecord,
    Scope,
    TenantSpec,
    Trait,
)
from storage.testing import Domicile
from storage.tlog.commitments import SALT, commit
from tests.integration.test_guarded import do
from tests.integration.test_hold_people_sql import (
    APPROVE,
    ASK,
    CONFIRM,
    RECOVERED,
    RECOVERING,
    RELEASED,
    REPLAY_CHANGE,
    STANDS,
    new_change,
    new_hold,
    placed,
)
from tests.support.actions import erase, is_complete, put_prompt, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import HOME
from tests.support.holds import approve, confirm, narrow, one_of_two, place_wide, release_holds
from tests.support.inspect.stored import home
from tests.support.people_sql import People, people
from tests.support.transparency import lines, note_lines, publisher

pytestmark = pytest.mark.one_region

__all__ = ["people"]

SIGNED = date(2026, 1, 5)
DIGEST = "ab" * 32
ABOUT = (
    "SELECT coalesce(string_agg(login || ' ' || kind, ', ' ORDER BY login, kind), '') "
    "FROM log_line WHERE CAST(text AS json) ->> :fact = :id"
)
SAID = "SELECT text FROM log_line WHERE CAST(text AS json) ->> :fact = :id AND login = :login"
ADD = "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES ({})"
HOLDS = [kind for kind in LineKind if kind.startswith("hold_")]
CHANGES = {
    "narrowing": ({"carve_outs": [{"tenants": ["acme"]}]}, "hold_changed"),
    "decision": ({"why": None, "permitted": True, "document": DIGEST}, "hold_changed"),
    "release": ({}, "hold_released"),
}
UNREADABLE = {
    "a name twice": ',"by":"bob"',
    "an object": ',"more":{"by":"carol"}',
    "a fraction": ',"more":1.5',
    "a list of numbers": ',"more":[1]',
    "a truth": ',"more":true',
    "a long number": ',"more":12345678901234567890',
}
WRONG = ["nothing", "by", "tenant", "commitment", "line", "transaction", "kind", "time"]
WRONG += ["of long ago", *UNREADABLE]
RECOVER = "UPDATE catalog_info SET identity = NULL"
GHOST = "SELECT replay_hold(CAST(:new AS jsonb), '[]', 'ghost', 'ghost')"
NEW_ERASURE = (
    "INSERT INTO erasure (id, tenant, scope, reason, state, requested, cutoff) "
    "VALUES (:id, 'acme', 'tenant', 'contract_end', :state, now(), now())"
)
NEW_COPY = (
    "INSERT INTO processor_copy (id, tenant, uid, data_class, origin, processor, state, announced, "
    "land_by, deadline, lead, next_attempt) VALUES (:id, 'acme', '', 'prompt', now(), 'p', "
    "'delivered', now(), now(), now(), '1 hour', now())"
)
CONFIRM_COPY = (
    "UPDATE processor_copy SET state = 'confirmed', acknowledged = now(), how = 'attested', "
    "digest = 'a', next_attempt = NULL"
)


def about(people: People, hold: UUID) -> str:
    """Return who left which lines about a hold."""
    return people.do("postgres", ABOUT, fact="hold", id=str(hold))


def quoted(values: str) -> str:
    """Return values as a statement of ``People`` has them."""
    return values.replace("{", "{{").replace("}", "}}").replace(":", r"\:")


def added(line: LogLine) -> str:
    """Return the statement that adds a line."""
    salt = line.salt or b""
    values = f"'{line.id}', '{line.kind}', '{line.at}', '{line.text}', '\\x{salt.hex()}'"
    return ADD.format(quoted(f"{values}, '\\x{line.commitment.hex()}'"))


def recover(people: People) -> None:
    """Let the catalog be one that was recovered."""
    assert people.do("postgres", RECOVERING) == "1"
    assert people.do("postgres", RECOVERED) == "1"


def finish(domicile: Domicile) -> None:
    """Let workers do all that is to be done, for hours."""
    for _ in range(4):
        work(domicile, hours=2)


def kinds(domicile: Domicile) -> Counter[LineKind]:
    """Return how many lines of each kind the log has."""
    return Counter(line.kind for line in domicile.store.admin.log.lines(HOME))


class TestALine:
    @pytest.mark.parametrize(
        ("statement", "says"),
        [
            ("UPDATE tenant SET traits = '{{}}' WHERE id = 'shut'", {"traits": []}),
            (
                "UPDATE tenant SET retention = '{{\"prompt\": 3}}' WHERE id = 'mild'",
                {"retention": ["prompt 3"]},
            ),
            ("UPDATE tenant SET dedicated = true WHERE id = 'asks'", {"dedicated": True}),
        ],
    )
    def test_is_left_by_new_terms(
        self, people: People, statement: str, says: dict[str, object]
    ) -> None:
        """With the login, whoever it is."""
        tenant = statement.split("'")[-2]
        assert people.do("alice", statement) == "1"
        people.do("alice", "UPDATE tenant SET version = 7 WHERE id = :id", id=tenant)

        said = json.loads(people.do("postgres", SAID, fact="tenant", id=tenant, login="alice"))
        assert {key: said[key] for key in says} == says
        found = people.do("postgres", ABOUT, fact="tenant", id=tenant)
        assert found == "alice agreement, postgres agreement"

    def test_is_left_by_a_tenant_that_is_removed(self, people: People) -> None:
        """Or made: both with the login."""
        make = (
            "INSERT INTO tenant (id, account, home, residency, service, dedicated, retention, "
            "version, created) VALUES ('short', 'a', 'eu', 'EU', 'api', false, '{{}}', 1, now())"
        )
        people.do("alice", make)
        people.do("bob", "SELECT remove_tenant('short')")

        found = people.do("postgres", ABOUT, fact="tenant", id="short")
        assert found == "alice agreement, bob agreement"
        said = people.do("postgres", SAID, fact="tenant", id="short", login="bob")
        assert json.loads(said)["ended"] == "removed"

    def test_is_left_by_an_agreement(self, people: People) -> None:
        """Also if the tenant has no other terms."""
        add = (
            "SELECT add_agreement(:id, 'acme', 'enterprise', NULL, NULL, '2026-01-01', "
            "'2026-01-01', NULL, NULL)"
        )
        agreement = uuid4()
        people.do("alice", add, id=agreement)

        found = people.do("postgres", ABOUT, fact="agreement", id=str(agreement))
        assert found == "alice agreement"

    def test_is_left_by_each_step_to_the_end_of_a_contract(self, people: People) -> None:
        """What the customer chose, its notice, and who confirmed it."""
        choice, digest = uuid4(), DIGEST
        choose = (
            "SELECT choose_exit(:id, 'acme', 'delete', '2999-01-01', :digest, "
            "gen_random_uuid(), {now})"
        )
        notice = "SELECT note_exit_notice(:id, :digest, {now})"
        people.do("alice", choose, id=choice, digest=digest)
        people.do("alice", notice, id=choice, digest=digest)
        people.do("bob", "SELECT confirm_exit(:id, {now})", id=choice)

        found = people.do("postgres", ABOUT, fact="exit", id=str(choice))
        assert found == "alice agreement, alice agreement, bob agreement"

    def test_is_left_by_a_hold(self, people: People) -> None:
        """When it is placed, when somebody stands for it, and when a second person confirms it."""
        hold = placed(people, "nina")
        people.do("alice", CONFIRM, id=hold)
        people.do("bob", CONFIRM, id=hold)

        assert about(people, hold) == ("alice hold_confirmed, bob hold_confirmed, nina hold_placed")
        said = people.do("postgres", SAID, fact="hold", id=str(hold), login="bob")
        assert json.loads(said)["by"] == "bob"

    @pytest.mark.parametrize("kind", CHANGES)
    def test_is_left_by_a_change_of_a_hold(self, people: People, kind: str) -> None:
        """One when it is requested, one when it is approved; it says nothing of why."""
        fields, line = CHANGES[kind]
        hold, change = placed(people), uuid4()
        people.do("alice", ASK, new=new_change(change, hold, kind=kind, **fields))  # type: ignore[arg-type]
        people.do("bob", APPROVE, id=change)

        assert about(people, hold) == (f"alice hold_changed, alice hold_placed, bob {line}")
        said = people.do("postgres", SAID, fact="hold", id=str(hold), login="bob")
        facts = json.loads(said)
        assert (facts["requested_by"], facts["approved_by"]) == ("alice", "bob")
        assert "settled" not in said

    @pytest.mark.parametrize("wrong", WRONG)
    def test_is_left_out_if_a_true_one_is_there(self, people: People, wrong: str) -> None:
        """Not if that says another thing, opens to nothing, or is about something else.

        Nor if it is from long ago, so that it is soon forgotten, or if no reader can read it.
        """
        hold, now = placed(people), datetime.now(UTC)
        made = now - timedelta(days=2) if wrong == "of long ago" else now
        event = uuid4() if wrong == "line" else hold
        line = log.line_of(event, LineKind.HOLD_CONFIRMED, made)
        facts = {"hold": str(hold), "by": "carol" if wrong == "by" else "bob"}
        if wrong == "tenant":  # the hold is about none
            facts["tenant"] = "mild"
        said, salt = log.text_of(line, LineKind.HOLD_CONFIRMED, facts, made), os.urandom(SALT)
        said = said[:-1] + UNREADABLE.get(wrong, "") + "}"
        if wrong == "kind":
            said = said.replace('"kind":"hold_confirmed"', '"kind":"policy"')
        at = now + timedelta(seconds=1) if wrong == "time" else made
        opens = bytes(33) if wrong == "commitment" else commit(salt, said)
        add = added(LogLine(line, LineKind.HOLD_CONFIRMED, at, said, salt, opens, None))
        if wrong == "transaction":
            people.do("bob", add)
            add = "SELECT 1"
        people.do("bob", f"{add}; {CONFIRM}", id=hold)

        left = about(people, hold).count("bob hold_confirmed")
        assert left == (1 if wrong == "nothing" else 2)

    @pytest.mark.parametrize("says", ["nothing", "what was", "what is"])
    def test_says_all_of_the_new_terms(self, people: People, says: str) -> None:
        """One that leaves a change out, or denies it, does not stand for it."""
        terms = "SELECT CAST(said_terms(h) AS text) FROM tenant h WHERE id = 'asks'"
        facts = json.loads(people.do("postgres", terms))
        told = {"nothing": None, "what was": facts["dedicated"], "what is": 1 - facts["dedicated"]}
        line, now, salt = uuid4(), datetime.now(UTC), os.urandom(SALT)
        said = log.text_of(line, LineKind.AGREEMENT, facts | {"dedicated": told[says]}, now)
        add = added(LogLine(line, LineKind.AGREEMENT, now, said, salt, commit(salt, said), None))
        change = "UPDATE tenant SET dedicated = NOT dedicated WHERE id = 'asks'"
        before = people.do("postgres", ABOUT, fact="tenant", id="asks").count("alice agreement")
        assert people.do("alice", f"{add}; {change}") == "1"

        after = people.do("postgres", ABOUT, fact="tenant", id="asks").count("alice agreement")
        assert after - before == (1 if says == "what is" else 2)

    def test_is_one_if_the_api_changes_terms(self, domicile: Domicile) -> None:
        """It writes that line itself."""
        tenants, agreements = domicile.store.admin.tenants, domicile.store.admin.agreements
        given: dict[str, Any] = {"account": "acme", "home": HOME, "residency": "EU"}
        dpa = Agreement("dpa", SIGNED, until=date(2027, 1, 5), since=date(2026, 1, 7))
        spec = TenantSpec("acme-eu", agreements=[dpa], **given)
        tenants.ensure(spec)
        tenants.ensure(replace(spec, traits=frozenset(Trait), retention={DataClass.PROMPT: 3}))
        enterprise = Agreement("enterprise", SIGNED, document=DIGEST, signatory="Ada Example")
        agreements.add("acme-eu", enterprise)
        agreements.end(agreements.list("acme-eu")[0].id, until=date(2026, 12, 1))
        tenants.remove("acme-eu")

        assert len(lines(domicile, LineKind.AGREEMENT)) == 5

    def test_is_one_if_the_api_changes_a_hold(self, domicile: Domicile) -> None:
        """Whatever the hold leaves out. What is requested has a line of the catalog."""
        domicile.tenant()
        domicile.tenant("b", account="b")
        moment = datetime(2026, 2, 3, 4, 5, 6, 120000, UTC)
        part = CarveOut(tenants=("acme-eu", "b"), classes=(DataClass.PROMPT,), minted_from=moment)
        other = CarveOut(accounts=("b",), minted_to=moment.replace(microsecond=0))
        hold = place_wide(domicile, exclude=(part, other), classes=tuple(DataClass)[:2])
        confirm(domicile, hold)
        narrow(domicile, hold, other, part)
        with one_of_two(domicile.settings, domicile.store, 0):
            asked = domicile.store.admin.holds.decide(hold.hold.id, document=DIGEST, permitted=True)
        approve(domicile, asked)
        release_holds(domicile, hold)

        count = kinds(domicile)
        assert count[LineKind.HOLD_PLACED] == count[LineKind.HOLD_RELEASED] == 1
        assert count[LineKind.HOLD_CONFIRMED] == 2
        assert count[LineKind.HOLD_CHANGED] == 5  # three are requested, two of these approved

    def test_is_one_after_a_recovery(self, domicile: Domicile) -> None:
        """What is replayed has the line that it had."""
        domicile.tenant()
        dump = Dump.of(domicile)
        hold = place_wide(domicile)
        confirm(domicile, hold)
        narrow(domicile, hold, CarveOut(tenants=("b",)))
        release_holds(domicile, hold)
        before = kinds(domicile)
        publisher(domicile).publish(*note_lines(home(domicile)))
        dump.restore(domicile)
        recover_catalog(domicile)

        after = kinds(domicile)
        assert {kind: after[kind] for kind in HOLDS} == {kind: before[kind] for kind in HOLDS}


class TestAnErasure:
    @pytest.mark.parametrize(
        "change",
        [
            "DELETE FROM erasure_object",
            "DELETE FROM replica WHERE backend = 'eu-b'",
            "UPDATE erasure_object SET erasure_id = id FROM erasure WHERE id <> erasure_id",
        ],
    )
    def test_waits_for_what_is_there(self, domicile: Domicile, change: str) -> None:
        """Whatever a worker takes off its list."""
        t = domicile.tenant()
        put_prompt(domicile, "v")
        erase(t, Scope.subject("v"))
        finish(domicile)
        put_prompt(domicile, "u")
        done = erase(t)
        domicile.backends["eu-b"].down = True
        work(domicile)
        with suppress(IntegrityError):
            do(domicile, "domicile_worker", change)
        work(domicile, hours=1)
        work(domicile, hours=1)

        assert list(domicile.backends["eu-b"].inner.scan("pack/"))
        assert not is_complete(domicile, done)
        domicile.backends["eu-b"].down = False
        finish(domicile)
        assert is_complete(domicile, done)

    def test_waits_for_a_pack_that_others_share(self, domicile: Domicile) -> None:
        """Whatever anybody says of what is in it: it is there until it is compacted."""
        t = domicile.tenant()
        new = [NewRecord(DataClass.PROMPT, b"mine", subject=name) for name in "uv"]
        tuple(t.put_many(new))
        done = erase(t)
        work(domicile)
        with suppress(IntegrityError):
            do(domicile, "domicile_service", "UPDATE erasure_object SET holds_ranges = false")
        work(domicile, hours=1)

        assert not is_complete(domicile, done)

    def test_waits_for_copies_that_are_there(self, people: People) -> None:
        """A worker does not take them off its list either."""
        erasure, copy = uuid4(), uuid4()
        people.do("postgres", NEW_ERASURE, id=erasure, state="purging")
        people.do("postgres", NEW_COPY, id=copy)
        people.do("postgres", "INSERT INTO erasure_copy VALUES (:id, :copy)", id=erasure, copy=copy)
        forget = "DELETE FROM erasure_copy WHERE copy_id = :id"

        assert people.do("wim", forget, id=copy) == "erasure_copy_awaited"
        people.do("wim", CONFIRM_COPY)
        assert people.do("wim", forget, id=copy) == "1"

    @pytest.mark.parametrize(
        ("until", "state", "answer"),
        [
            ("1 hour", "complete", "wrong_time"),
            ("-1 hour", "purging", "fence_in_force"),
            ("-1 hour", "complete", "1"),
        ],
    )
    def test_keeps_its_fence(self, people: People, until: str, state: str, answer: str) -> None:
        """Until no write can meet it, and it is complete; nor is a fence changed."""
        erasure = uuid4()
        people.do("postgres", NEW_ERASURE, id=erasure, state=state)
        fence = "INSERT INTO fence VALUES ('acme', 'tenant', '', :id, now(), now() + :until)"
        people.do("postgres", fence, id=erasure, until=until)

        change = "UPDATE fence SET until = now() - interval '1 year' WHERE erasure_id = :id"
        assert people.do("wim", change, id=erasure) == "fence_changed"
        forget = "DELETE FROM fence WHERE erasure_id = :id"
        assert people.do("wim", forget, id=erasure) == answer


class TestAWorker:
    def test_counts_as_nobody_who_stands_for_a_hold(self, people: People) -> None:
        """Outside of a recovery: one person alone does not confirm what he had a worker place."""
        hold = uuid4()
        recover(people)
        assert people.do("wim", GHOST, new=new_hold(hold)) == "True"
        people.do("alice", CONFIRM, id=hold)

        assert people.do("alice", CONFIRM, id=hold) == "confirmer_stands_for_it"
        assert people.do("postgres", STANDS, id=hold) == "alice,"
        assert people.do("bob", CONFIRM, id=hold) == "True"

    @pytest.mark.parametrize("declare", [RECOVER, f"SAVEPOINT s; {RECOVER}"])
    def test_does_not_hide_that_it_replays(self, people: People, declare: str) -> None:
        """A recovery that it declares is committed, with its line, before it is over."""
        hold = placed(people)
        recover(people)
        release = json.dumps({"hold_id": str(hold), "kind": "release", "why": "x"})
        replay = f"SELECT replay_hold_change(CAST('{quoted(release)}' AS jsonb), now())"

        whole = f"{declare}; {replay}; {RECOVERED}"
        assert people.do("wim", whole) == "catalog_info_recovery"
        assert people.do("postgres", RELEASED, id=hold) == "False"
        people.do("wim", declare)
        assert people.do("wim", REPLAY_CHANGE, new=release) == "True"
        assert people.do("wim", RECOVERED) == "1"
