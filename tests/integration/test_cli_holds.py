"""Legal holds on the command line."""

import json
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from storage.cli.exit_codes import Exit
from tests.integration.test_hold_people_sql import new_hold
from tests.support.catalogs.databases import HOME, opened
from tests.support.cli_harness import READ, CommandLine
from tests.support.people_cli import Person, people

__all__ = ["people"]

WHY = ["--matter", "Doe v. Acme", "--authority", "court", "--issuer", "counsel"]
WHY += ["--jurisdiction", "EU", "--document", "0" * 64]


def test_a_hold_from_placing_to_release(line: CommandLine, people: Callable[[str], Person]) -> None:
    """A hold keeps an erased record until two people have released it."""
    record = line.put("my prompt", "--subject", "user-7")
    placed = line.told(
        "hold",
        "place",
        "acme-eu",
        "--subject",
        "-",
        "--no-future",
        "--review",
        "2999-01-15",
        *WHY,
        stdin="user-7\n",
    )
    hold = placed["hold"]["id"]
    assert (placed["records"], placed["erasures"], placed["expiring"]) == (1, [], [])

    why = ["--reason", "subject_request", "--yes"]
    erasure = line.told("erase", "acme-eu", "--subject", "user-7", *why)["erasure"]["id"]
    assert line("worker", "--once").exit_code == 0
    shown = line.told("erasure", "show", erasure)["erasure"]
    assert (shown["state"], shown["deferred"][0]["hold"]) == ("deferred", hold)
    assert hold in line("erasure", "show", erasure).output
    assert line("get", "acme-eu", record, *READ).exit_code == Exit.NOT_THERE
    assert [r["id"] for r in line.told("hold", "records", hold)["records"]] == [record]

    regions = line.told("status")["regions"]
    assert (regions[0]["holds"], regions[0]["deferred_erasures"]) == (1, 1)
    assert "deferring 1 erasure" in line("status").stdout
    assert hold in line("hold", "list").stdout
    assert "Doe v. Acme" in line("hold", "show", hold).stdout

    assert "not confirmed" in line("hold", "show", hold).stdout
    for who in ("alice", "bob"):
        people(who).told("hold", "confirm", hold)
    assert "not confirmed" not in line("hold", "show", hold).stdout
    change = people("alice").told("hold", "release", hold, "--why", "settled")["change"]["id"]
    assert people("alice").error("hold", "approve", change)[0] == Exit.REFUSED
    people("bob").told("hold", "approve", change)
    assert line.told("hold", "show", hold)["hold"]["released"] is not None
    assert line("worker", "--once").exit_code == 0
    assert line.told("erasure", "show", erasure)["erasure"]["state"] == "complete"
    assert line.told("hold", "list")["holds"] == []


def test_a_court_orders_everything_kept_then_less(
    line: CommandLine, people: Callable[[str], Person]
) -> None:
    """A hold on a region for a foreign authority: placed, decided, narrowed, shown."""
    alice, bob, record = people("alice"), people("bob"), line.put("my prompt")
    where = ["--region-wide", "--region", "eu-central-1", "--exclude-tenant", "enterprise"]
    order = [*where, "--future", "--review", "2999-01-15", *WHY, "--jurisdiction", "US"]
    hold = alice("hold", "place", *order).stdout.strip()
    shown = " ".join(alice("hold", "show", hold).stdout.split())
    bob.told("hold", "confirm", hold)
    decide = ["hold", "decide", hold, "--permitted", "--document", "1" * 64]
    bob.told("hold", "approve", alice.told(*decide)["change"]["id"])
    narrow = alice("hold", "narrow", hold, "--class", "completion", "--why", "ordered less")
    listed = line("hold", "list").stdout
    approved = bob("hold", "approve", narrow.stdout.strip())
    found = line.told("hold", "show", hold)
    kept = line.told("hold", "records", hold, "--tenant", "acme-eu")["records"]

    assert "everybody in eu-central-1" in shown
    assert "not confirmed, foreign authority, undecided" in shown
    assert "but not enterprise" in shown
    assert "1 to approve" in listed
    assert "It does not keep any more: completion." in approved.output
    assert found["hold"]["decision"]["permitted"]
    assert [part["tenants"] for part in found["hold"]["carve_outs"]] == [["enterprise"], []]
    assert [change["kind"] for change in found["changes"]] == ["narrowing", "decision"]
    assert record in [one["id"] for one in kept]
    change = bob.told("hold", "release", hold, "--why", "settled")["change"]["id"]
    assert alice("hold", "approve", change).exit_code == 0


def test_a_hold_on_several_subjects_says_so(
    line: CommandLine, people: Callable[[str], Person]
) -> None:
    """Raw SQL places one that claims to be on one. Nobody confirms it, and who looks is told."""
    alice, hold = people("alice"), str(uuid4())
    names = [f"\\x01{number:064x}" for number in range(3)]
    new = json.loads(new_hold(UUID(hold)))
    new |= {"tenant": "acme-eu", "scope": "subject", "sought": names}
    with opened(HOME, alice.url) as connection:
        place = text("SELECT place_hold(CAST(:new AS jsonb), '[]')")
        connection.execute(place, {"new": json.dumps(new)})

    assert "3 subjects" in line("hold", "show", hold).stdout
    assert line.told("hold", "show", hold)["hold"]["named"] == 3
    code, error = people("bob").error("hold", "confirm", hold)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["wider_than_said"])
    change = alice.told("hold", "release", hold, "--why", "forged")["change"]["id"]
    people("bob").told("hold", "approve", change)


def test_what_is_not_so_is_said(line: CommandLine, people: Callable[[str], Person]) -> None:
    """A released hold is not confirmed, and nothing is narrowed to a tenant that is not there."""
    alice, bob = people("alice"), people("bob")
    place = ["hold", "place", "acme-eu", "--all", "--future", "--review", "2999-01-15", *WHY]
    code, error = alice.error(*place, "--jurisdiction", "")
    assert (code, "jurisdiction of the authority" in error["message"]) == (Exit.INVALID, True)
    hold = alice("hold", "place", *place[2:]).stdout.strip()
    bob.told("hold", "confirm", hold)
    code, error = bob.error("hold", "narrow", hold, "--tenant", "nosuch", "--why", "less")
    assert (code, error["reasons"]) == (Exit.REFUSED, ["unknown_tenant"])
    change = bob.told("hold", "release", hold, "--why", "settled")["change"]["id"]
    alice.told("hold", "approve", change)

    code, error = bob.error("hold", "confirm", hold)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["hold_released"])


def test_an_approver_reads_what_waits(line: CommandLine, people: Callable[[str], Person]) -> None:
    """What a narrowing lets go, what a decision says, and why: before it is approved."""
    alice, bob = people("alice"), people("bob")
    place = ["hold", "place", "acme-eu", "--all", "--future", "--review", "2999-01-15", *WHY]
    hold = alice("hold", "place", *place[2:], "--jurisdiction", "US").stdout.strip()
    bob.told("hold", "confirm", hold)
    less = ["--class", "completion", "--account", "acme", "--to", "2026-01-01"]
    asked = bob("hold", "narrow", hold, *less, "--why", "Order of May")
    decided = bob.told("hold", "decide", hold, "--not-permitted", "--document", "2" * 64)
    release = bob.told("hold", "release", hold, "--why", "settled")["change"]["id"]

    shown = " ".join(alice("hold", "show", hold).stdout.split())
    assert "waits for approval lets go account acme; completion; to 2026-01-01 00:00" in shown
    assert "why Order of May" in shown
    assert f"says what it keeps must NOT be read, document {'2' * 64}" in shown
    assert "why settled" in shown
    assert f"domicile hold show {hold}" in asked.stderr
    alice.told("hold", "approve", decided["change"]["id"])
    alice.told("hold", "approve", release)


def test_no_name_acts_on_a_terminal(line: CommandLine, people: Callable[[str], Person]) -> None:
    """Those of carve-outs neither: the command refuses them, raw SQL does not."""
    alice, bob = people("alice"), people("bob")
    evil, hold, change = "\x1b[2Jgotcha\x9b", str(uuid4()), str(uuid4())
    new = json.loads(new_hold(UUID(hold)))
    parts = [{"accounts": [evil], "tenants": [evil]}]
    asked: dict[str, object] = {
        "id": change,
        "hold_id": hold,
        "kind": "narrowing",
        "why": f"w{evil}",
    }
    asked |= {"carve_outs": parts, "requested": "2026-11-28T00:00Z"}
    with opened(HOME, alice.url) as connection:
        place = text("SELECT place_hold(CAST(:new AS jsonb), CAST(:parts AS jsonb))")
        connection.execute(place, {"new": json.dumps(new), "parts": json.dumps(parts)})
        request = text("SELECT request_hold_change(CAST(:new AS jsonb), now())")
        connection.execute(request, {"new": json.dumps(asked)})

    code, error = alice.error("hold", "narrow", hold, "--account", evil, "--why", "x")
    assert (code, "gotcha" in error["message"]) == (Exit.INVALID, False)
    shown = [bob("hold", "show", hold), bob("hold", "confirm", hold), bob("hold", "list")]
    shown += [bob("hold", "approve", change), bob("log", "show"), bob("hold", "show", hold)]
    shown += [bob("hold", "show", hold, "--json")]
    assert "\\x1b[2Jgotcha" in shown[0].output
    for result in shown:
        assert all(char.isprintable() or char == "\n" for char in result.output)
    release = alice.told("hold", "release", hold, "--why", "forged")["change"]["id"]
    bob.told("hold", "approve", release)


@pytest.mark.parametrize(
    ("named", "code", "says"),
    [
        (["--account", "nosuch"], Exit.REFUSED, "No account 'nosuch'."),
        (["--account", "a b"], Exit.INVALID, "account of a carve-out is not the id"),
        (["--account", ""], Exit.INVALID, "The account of a carve-out must be a string of one"),
        (["--tenant", ""], Exit.REFUSED, "No such tenant."),
    ],
)
def test_nobody_is_asked_to_approve_what_lets_nothing_go(
    people: Callable[[str], Person], placed: str, named: list[str], code: Exit, says: str
) -> None:
    """A narrowing to what is not there is refused, in words."""
    ended, error = people("bob").error("hold", "narrow", placed, *named, "--why", "less")

    assert ended == code
    assert says in error["message"]
    assert people("bob").told("hold", "show", placed)["changes"] == []


@pytest.mark.parametrize("tenant", ["nosuch", ""])
def test_holds_of_a_tenant_that_is_not_there(line: CommandLine, tenant: str) -> None:
    """That nothing is held of it would be no answer."""
    code, error = line.error("hold", "list", "--tenant", tenant)

    assert (code, error["reasons"]) == (Exit.REFUSED, ["unknown_tenant"])


@pytest.fixture
def placed(people: Callable[[str], Person]) -> Iterator[str]:
    """A hold in force."""
    alice, bob = people("alice"), people("bob")
    place = ["hold", "place", "acme-eu", "--all", "--future", "--review", "2999-01-15", *WHY]
    hold = alice(*place).stdout.strip()
    bob.told("hold", "confirm", hold)
    yield hold
    change = bob.told("hold", "release", hold, "--why", "settled")["change"]["id"]
    alice.told("hold", "approve", change)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--no-future", "--review", "2999-01-15"],
        ["--no-future", "--review", "2999-01-15", "--all", "--group", "g"],
        ["--no-future", "--review", "soon", "--all"],
        ["--review", "2999-01-15", "--all"],
        ["--no-future", "--all"],
        ["--no-future", "--review", "2999-01-15", "--all", "--from", "now"],
        [
            "--no-future",
            "--review",
            "2999-01-15",
            "--all",
            "--from",
            "2026-02-01",
            "--to",
            "2026-01-01",
        ],
    ],
)
def test_invalid_holds_are_refused(line: CommandLine, wrong: list[str]) -> None:
    """Nothing is placed, and the message does not repeat the input."""
    code, error = line.error("hold", "place", "acme-eu", *WHY, *wrong)

    assert code == Exit.INVALID
    assert "Doe" not in json.dumps(error)
    assert line.told("hold", "list")["holds"] == []


def test_an_absent_hold(line: CommandLine) -> None:
    """Every command ends with the code of absent things."""
    absent = "0199c9d3-0000-7000-8000-000000000000"
    for args in (["show"], ["records"], ["release", "--why", "w"]):
        assert line.error("hold", args[0], absent, *args[1:])[0] == Exit.NOT_THERE
