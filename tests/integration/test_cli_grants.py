"""``roster`` and ``grant``: each person with a login of its own, on the embedded server."""

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from storage.cli import terminal
from storage.cli.exit_codes import Exit
from tests.support.catalogs.databases import HOME
from tests.support.people_cli import ENTRY, SINCE, Person, people

__all__ = ["people"]

FOR_ALICE = ("--purpose", "abuse_investigation", "--actor", "alice", "--hours", "8")
REQUEST = ("grant", "request", "acme-eu", *FOR_ALICE, "--records", "5", "--subject", "u1")
WHY = ("--justification", "Flagged as fraud by a classifier.")


def requested(who: Person, *changed: str) -> str:
    """Request a grant; return its id."""
    return str(who.told(*REQUEST, *WHY, *changed)["grant"]["id"])


@pytest.fixture
def key(people: Callable[[str], Person], tmp_path: Path) -> Path:
    """The key of an approver."""
    file = tmp_path / "approver.pem"
    people("bob").told("grant", "keygen", file)
    return file


def test_from_the_request_to_the_revocation(
    people: Callable[[str], Person], key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approver sees who, for what, how many records, until when and why, and is asked."""
    alice, bob = people("alice"), people("bob")
    asked = alice(*REQUEST, "--justification", "-", "--case", "CASE-7", stdin="Flagged as fraud.\n")
    grant = asked.stdout.strip()
    monkeypatch.setattr(terminal, "can_ask", lambda: True)

    declined = bob("grant", "approve", grant, "--key", key, stdin="n\n")
    state = alice.told("grant", "show", grant)["grant"]["state"]
    approved = bob("grant", "approve", grant, "--key", key, stdin="y\n")
    listed = alice("grant", "list", "--tenant", "acme-eu").stdout
    revoked = alice("grant", "revoke", grant)
    shown = alice.told("grant", "show", grant)

    assert f"domicile grant approve {grant}" in asked.stderr
    assert (declined.exit_code, state) == (Exit.DECLINED, "requested")
    for told in (
        "acme-eu in eu-central-1",
        "abuse_investigation",
        "CASE-7",
        "one subject",
        "alice",
    ):
        assert told in approved.stdout
    assert "0 of 5 opened" in approved.stdout
    assert "Flagged as fraud." in approved.stdout
    assert "u1" not in approved.stdout
    assert "opens up to 5 records?" in approved.stderr
    assert "It is in force." in approved.stderr
    assert "in force" in listed
    assert "Revoked since" in revoked.stderr
    assert shown["justification"] == "Flagged as fraud."
    assert (shown["grant"]["state"], shown["grant"]["revoked_by"]) == ("revoked", "alice")
    assert [one["actor"] for one in shown["grant"]["approvals"]] == ["bob"]
    assert "sought" not in shown["grant"]


def test_nobody_approves_his_own(people: Callable[[str], Person], key: Path) -> None:
    """Whatever key he has, and neither does the owner of the catalog."""
    grant = requested(people("alice"))

    code, error = people("alice").error("grant", "approve", grant, "--key", key, "--yes")
    assert (code, error["code"]) == (Exit.REFUSED, "GrantRefused")
    assert error["reasons"] == ["approver_is_requester", "approver_is_user"]
    assert "Ask somebody else of the roster." in error["advice"]
    code, error = people("nina").error("grant", "approve", grant, "--key", key, "--yes")
    assert (code, error["reasons"]) == (Exit.REFUSED, ["login_not_in_force"])


def test_without_a_terminal_a_yes_must_be_given(people: Callable[[str], Person], key: Path) -> None:
    """A script says it itself."""
    grant = requested(people("alice"))

    code, error = people("bob").error("grant", "approve", grant, "--key", key)
    assert (code, error["advice"]) == (Exit.INVALID, "Give --yes, after: domicile grant show")
    told = people("bob").told("grant", "approve", grant, "--key", key, "--yes")
    assert told["grant"]["state"] == "in_force"


def test_the_key_of_an_approver(people: Callable[[str], Person], tmp_path: Path) -> None:
    """Is readable for its owner alone, and replaces no file. What it prints can be pinned."""
    file = tmp_path / "key.pem"
    public = people("bob")("grant", "keygen", file).stdout.strip()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pinned = tomllib.loads(f'[approvers]\nbob = "{public}"')
    assert pinned["approvers"]["bob"] == public
    before = file.read_bytes()
    code, error = people("bob").error("grant", "keygen", file)
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert file.read_bytes() == before


def test_a_key_that_is_none(people: Callable[[str], Person], key: Path, tmp_path: Path) -> None:
    """Each is refused before anything is asked of the catalog, and says what to do."""
    rubbish, absent = tmp_path / "rubbish.pem", tmp_path / "absent.pem"
    rubbish.write_text("no key")
    rubbish.chmod(0o600)
    said = {}
    for file in (rubbish, absent):
        code, error = people("bob").error("grant", "approve", str(uuid4()), "--key", file)
        said[file] = error["message"]
        assert code == Exit.INVALID
    os.chmod(key, 0o640)  # noqa: PTH101
    code, error = people("bob").error("grant", "approve", str(uuid4()), "--key", key)

    assert said[rubbish] == "The file is not the private key of an approver."
    assert "cannot be read" in said[absent]
    assert (code, error["message"]) == (Exit.INVALID, "Others can read the key file.")


def test_the_roster_is_kept_by_its_keeper(people: Callable[[str], Person]) -> None:
    """Everybody else is refused, with what to do."""
    erin = ("roster", "enter", HOME, "erin", *ENTRY, *SINCE)

    code, error = people("alice").error(*erin)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["not_roster_keeper"])
    entered = people("kim")(*erin, "--suspended")
    assert "Entered by kim." in entered.stderr
    listed = people("alice")("roster", "list", HOME).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["alice", "bob", "erin", "kim"]
    assert "suspended" in listed
    page = people("alice").told("roster", "list", HOME, "--limit", "1", "--after", "alice")
    assert (page["entries"][0]["actor"], page["next"]) == ("bob", "bob")


def test_bad_input(people: Callable[[str], Person]) -> None:
    """Each gives one clear error, and nothing is entered or requested."""
    alice, kim = people("alice"), people("kim")
    before = len(alice.told("grant", "list")["grants"])
    enter = ("roster", "enter", HOME, "x", *ENTRY)
    cases = [
        (kim.error(*enter, *SINCE, "--agreement", "abc"), "not a SHA-256"),
        (kim.error(*enter, "--since", "soon"), "Invalid date"),
        (kim.error(*enter, *SINCE, "--until", "2025-01-01"), "ends before it begins"),
        (kim.error(*enter[:-1], "Europe", *SINCE), "must be a jurisdiction"),
        (kim.error(*enter, *SINCE, "--login", "x" * 64), "at most 63 bytes"),
        (kim.error("roster", "enter", "moon-1", "x", *ENTRY, *SINCE), "does not serve"),
        (alice.error(*REQUEST, *WHY, "--all"), "Exactly one scope"),
        (alice.error(*REQUEST, *WHY, "--case", ""), "case of a grant must have"),
        (alice.error(*REQUEST, "--justification", ""), "justification must be"),
        (alice.error(*REQUEST, *WHY, "--hold", "x"), "Not the id of a hold"),
        (alice.error(*REQUEST, *WHY, "--records", "1000001"), "number of records must be from 1"),
        (alice.error(*REQUEST[:-2], *WHY, "--purpose", "legal", "--all"), "no scope of its own"),
        (alice.error("grant", "show", "x"), "Not the id of a grant"),
        (alice.error("grant", "revoke", str(uuid4())), "No such grant"),
    ]

    for (code, error), message in cases:
        assert message in error["message"]
        assert code in {Exit.INVALID, Exit.REFUSED, Exit.NOT_THERE}
        assert error["advice"]
    assert len(alice.told("grant", "list")["grants"]) == before
    assert "x" not in [one["actor"] for one in alice.told("roster", "list", HOME)["entries"]]
