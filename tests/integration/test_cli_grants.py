"""``roster`` and ``grant``: each person with a login of its own, on the embedded server."""

import json
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.cli import terminal
from storage.cli.approver_keys import public_key, read_key
from storage.cli.commands.grant import _covers
from storage.cli.exit_codes import Exit
from storage.crypto.root import split
from tests.support.catalogs.databases import HOME
from tests.support.cli_harness import CommandLine
from tests.support.keyservice.permits import unsigned
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


@pytest.fixture
def pinned(key: Path, tmp_path: Path) -> dict[str, str]:
    """The setting with which that key is pinned for bob."""
    return pinning(tmp_path, public_key(read_key(key)))


def pinning(folder: Path, public: str) -> dict[str, str]:
    """Return the setting with which a public key is pinned for bob."""
    file = folder / "approvers.toml"
    file.write_text(f'[approvers]\nbob = "{public}"\n')
    return {"DOMICILE_REGIONS__EU_CENTRAL_1__APPROVERS_FILE": str(file)}


def test_from_the_request_to_the_revocation(
    people: Callable[[str], Person],
    key: Path,
    pinned: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The approver sees who, for what, how many records, until when and why, and is asked."""
    alice, bob = people("alice"), people("bob")
    asked = alice(*REQUEST, "--justification", "-", "--case", "CASE-7", stdin="Flagged as fraud.\n")
    grant = asked.stdout.strip()
    monkeypatch.setattr(terminal, "can_ask", lambda: True)

    declined = bob("grant", "approve", grant, "--key", key, stdin="n\n")
    state = alice.told("grant", "show", grant)["grant"]["state"]
    approved = bob("grant", "approve", grant, "--key", key, stdin="y\n", environment=pinned)
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


def test_a_person_reads_nothing_as_a_service(
    line: CommandLine, people: Callable[[str], Person]
) -> None:
    """The error says what happened, why, and what to do. The owner of the example reads on."""
    record = line.put("hello")
    for more in (("serve",), ("fine_tune", "--job", "j", "--model", "m")):
        get = ("get", "acme-eu", record, "--actor", "chat", "--purpose", *more)
        code, error = people("alice").error(*get)
        assert (code, error["reasons"]) == (Exit.REFUSED, ["login_of_person"])
        told = " ".join(people("alice")(*get).stderr.split())
        assert "the login to the catalog is a person's" in told
        assert "domicile grant request" in told

    serve = ("get", "acme-eu", record, "--actor", "chat", "--purpose", "serve")
    assert line(*serve).stdout == "hello"


def test_grants_for_a_tenant_that_is_not_there(people: Callable[[str], Person]) -> None:
    """A typing error is no empty list."""
    code, error = people("alice").error("grant", "list", "--tenant", "nosuch")
    assert (code, error["reasons"]) == (Exit.REFUSED, ["unknown_tenant"])


def test_a_scope_says_how_many_it_names() -> None:
    """By the pseudonyms of a grant: one of each version of the key is one subject."""
    names = (b"\2a", b"\1b", b"\1c")
    for sought, said in ((names[:2], "one subject"), (names, "2 subjects")):
        assert _covers(unsigned(sought=sought)) == said


def test_what_the_log_repeats_is_a_code(people: Callable[[str], Person]) -> None:
    """Of an entry and of a grant: the error says what to take instead."""
    enter = ("roster", "enter", HOME, "jane@example.com", *ENTRY, *SINCE)
    code, error = people("kim").error(*enter)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["not_a_code"])
    assert "opaque id" in error["advice"]
    code, error = people("alice").error(*REQUEST, *WHY, "--case", "Jane Doe complained")
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert "opaque id" in error["advice"]


def test_nobody_approves_his_own(people: Callable[[str], Person], key: Path) -> None:
    """Whatever key he has, and neither does the owner of the catalog."""
    grant = requested(people("alice"))

    code, error = people("alice").error("grant", "approve", grant, "--key", key, "--yes")
    assert (code, error["code"]) == (Exit.REFUSED, "GrantRefused")
    assert error["reasons"] == ["approver_is_requester", "approver_is_user"]
    assert "Ask somebody else of the roster." in error["advice"]
    code, error = people("nina").error("grant", "approve", grant, "--key", key, "--yes")
    assert (code, error["reasons"]) == (Exit.REFUSED, ["login_not_in_force"])


def test_a_signature_that_does_not_count(
    people: Callable[[str], Person], key: Path, pinned: dict[str, str], tmp_path: Path
) -> None:
    """The approver learns at once that the grant opens nothing, and what to pin."""
    grant, bob = requested(people("alice")), people("bob")
    yes = ("grant", "approve", grant, "--key", key, "--yes")
    public = public_key(read_key(key))
    other = pinning(tmp_path, public_key(Ed25519PrivateKey.generate()))
    wrong = bob(*yes, environment=other)
    told = bob(*yes, "--json", environment=other)
    shown = people("alice")("grant", "show", grant, environment=other)
    none = bob(*yes)
    pinning(tmp_path, public)
    good = bob(*yes, environment=pinned)
    told_good = bob(*yes, "--json", environment=pinned)
    shown_good = people("alice")("grant", "show", grant, "--json", environment=pinned)

    wrong_key = "It opens nothing: the key that is pinned for the approver did not sign the grant."
    assert wrong_key in " ".join(wrong.stderr.split())
    assert f'bob = "{public}"' in wrong.stderr
    assert wrong_key in " ".join(shown.stderr.split())
    assert "has a key that is pinned." in " ".join(none.stderr.split())
    for one in (wrong, none):
        assert "in force" not in one.stderr
    assert "It is in force." in good.stderr
    assert "opens nothing" not in good.stderr
    assert public not in good.stderr
    assert [json.loads(one.stdout)["pinned"] for one in (told, told_good)] == [False, True]
    assert json.loads(shown_good.stdout)["pinned"] is True


def test_one_signature_that_counts_and_one_that_does_not(
    people: Callable[[str], Person], key: Path, pinned: dict[str, str], tmp_path: Path
) -> None:
    """The second approver learns that it is the other's. Who looks at the grant sees which."""
    grant, other = requested(people("alice")), tmp_path / "kim.pem"
    people("kim").told("grant", "keygen", other)
    first = people("bob")("grant", "approve", grant, "--key", key, "--yes", environment=pinned)
    yes = ("grant", "approve", grant, "--key", other, "--yes")
    told = people("kim")(*yes, "--json", environment=pinned)
    second = people("kim")(*yes, environment=pinned)
    again = people("bob")("grant", "approve", grant, "--key", other, "--yes", environment=pinned)
    shown = people("alice")("grant", "show", grant, environment=pinned)
    plain = json.loads(people("alice")("grant", "show", grant, "--json", environment=pinned).stdout)

    assert "does not count" not in first.output
    assert (json.loads(told.stdout)["pinned"], json.loads(told.stdout)["counts"]) == (True, False)
    for one, who in ((second, "kim"), (again, "bob")):
        assert "Your signature does not count" in " ".join(one.stderr.split())
        assert f'{who} = "{public_key(read_key(other))}"' in one.stderr
    lines = [each for each in shown.stdout.splitlines() if each.startswith("approved by")]
    assert ["does not count" in each for each in lines] == [False, True, True]
    assert "opens nothing" not in shown.stderr
    assert plain["pinned"] is True
    assert [one["counts"] for one in plain["grant"]["approvals"]] == [True, False, False]


def test_a_key_service_that_does_not_answer(
    people: Callable[[str], Person], key: Path, tmp_path: Path
) -> None:
    """A script learns that nobody knows; a person approves nothing without the justification."""
    bob, grant = people("bob"), requested(people("alice"))
    prefix = "DOMICILE_REGIONS__EU_CENTRAL_1__"
    whole = tmp_path / "keys"
    whole.touch(mode=0o600)
    whole.write_bytes(Path(str(bob.environment[f"{prefix}KEYS_FILE"])).read_bytes())
    split(whole, tmp_path / "root", region=HOME)
    away = {f"{prefix}KEYS_FILE": str(whole), f"{prefix}KEY_SERVICE": "unix:/nowhere/keys.sock"}
    yes = ("grant", "approve", grant, "--key", key, "--yes")
    blind = bob(*yes, environment=away)
    told = bob(*yes, "--json", environment=away)

    assert (blind.exit_code, told.exit_code) == (Exit.UNAVAILABLE, Exit.DONE)
    assert json.loads(told.stdout)["pinned"] is None


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
    code, piped = people("bob").error(
        "grant", "approve", str(uuid4()), "--key", "-", stdin=key.read_text()
    )
    assert (code, "is not read from stdin" in piped["message"]) == (Exit.INVALID, True)
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


def test_bad_input(people: Callable[[str], Person], line: CommandLine) -> None:
    """Each gives one clear error, and nothing is entered or requested."""
    elsewhere = line.put("hello", "--subject", "u1").replace(HOME, "us-east-1")
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
        (alice.error(*REQUEST, *WHY, "--case", ""), "case of a grant must be a code"),
        (alice.error(*REQUEST, "--justification", ""), "justification must be"),
        (alice.error(*REQUEST, *WHY, "--hold", "x"), "Not the id of a hold"),
        (alice.error(*REQUEST, *WHY, "--records", "1000001"), "number of records must be from 1"),
        (alice.error(*REQUEST[:-2], *WHY, "--purpose", "legal", "--all"), "no scope of its own"),
        (alice.error(*REQUEST[:-2], *WHY, "--record", elsewhere), "names another region than"),
        (alice.error("grant", "show", "x"), "Not the id of a grant"),
        (alice.error("grant", "revoke", str(uuid4())), "No such grant"),
    ]

    for (code, error), message in cases:
        assert message in error["message"]
        assert code in {Exit.INVALID, Exit.REFUSED, Exit.NOT_THERE}
        assert error["advice"]
    assert len(alice.told("grant", "list")["grants"]) == before
    assert "x" not in [one["actor"] for one in alice.told("roster", "list", HOME)["entries"]]
