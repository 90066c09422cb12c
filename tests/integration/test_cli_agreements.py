"""``tenant agreement`` and ``tenant exit``: text for people, and one JSON document for scripts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant
from tests.support.people_cli import Person, people

__all__ = ["people"]

DIGEST = "d" * 64
SIGNED = ("--signed", "2026-01-05", "--document", DIGEST, "--signatory", "Ada Example")
TOMORROW = (datetime.now(UTC).date() + timedelta(1)).isoformat()


def test_from_the_agreement_to_its_end(line: CommandLine) -> None:
    """Added, listed and ended; the list has every entry and its state."""
    ensure_tenant(line, "ada", "eu-central-1", "EU")
    add = ("tenant", "agreement", "add", "ada", "--kind")
    first = line(*add, "enterprise", *SIGNED)
    told = line.told(*add, "baa", *SIGNED, "--from", TOMORROW)["agreement"]
    ended = line("tenant", "agreement", "end", first.stdout.strip(), "--until", "2026-02-01")

    assert "enterprise agreement is in force from 2026-01-05" in first.stderr
    assert told["agreement"]["since"] == TOMORROW
    assert "2026-02-01 is the first day without it" in ended.stderr
    listed = line("tenant", "agreement", "list", "ada").stdout
    assert all(state in listed for state in ("superseded", "ended", "begins later", "in force"))
    found = line.told("tenant", "agreement", "list", "ada", "--on", "2026-01-15")["agreements"]
    assert [entry["agreement"]["kind"] for entry in found] == ["dpa", "enterprise"]


def test_what_cannot_be_recorded_is_refused(line: CommandLine) -> None:
    """With the exit code of a refusal, or of a wrong command line."""
    ensure_tenant(line, "ben", "eu-central-1", "EU")
    add = ("tenant", "agreement", "add", "ben", "--kind")

    for given, code in (
        ((*add, "baa", *SIGNED), Exit.REFUSED),
        ((*add, "dpa", "--signed", "1999-01-01", *SIGNED[2:]), Exit.REFUSED),
        ((*add, "dap", *SIGNED), Exit.INVALID),
        ((*add, "dpa", *SIGNED[:3], "x", *SIGNED[4:]), Exit.INVALID),
        (("tenant", "agreement", "end", "0" * 32, "--until", "2026-02-01"), Exit.NOT_THERE),
        (("tenant", "exit", "confirm", "0" * 32), Exit.NOT_THERE),
    ):
        assert line(*given).exit_code == code, given


def test_an_exit_takes_two_people(line: CommandLine, people: Callable[[str], Person]) -> None:
    """Each with a login of its own."""
    ensure_tenant(line, "eve", "eu-central-1", "EU")
    alice, bob = people("alice"), people("bob")
    choose = ("tenant", "exit", "choose", "eve", "delete", "--on", TOMORROW, "--document", DIGEST)
    chosen = alice(*choose)
    choice = chosen.stdout.strip()
    noted = alice("tenant", "exit", "notice", choice, "--document", DIGEST)
    own = alice("tenant", "exit", "confirm", choice)
    confirmed = bob("tenant", "exit", "confirm", choice)

    assert "domicile tenant exit notice" in chosen.stderr
    assert "domicile tenant exit confirm" in noted.stderr
    assert own.exit_code == line(*choose).exit_code == Exit.REFUSED
    assert f"erases tenant eve on {TOMORROW}" in confirmed.stderr
    listed = bob("tenant", "exit", "list", "eve").stdout
    assert all(word in listed for word in (choice, "delete", "confirmed", "alice", "bob"))
    (found,) = bob.told("tenant", "exit", "list", "eve")["exits"]
    assert (found["state"], found["confirmed_by"]) == ("confirmed", "bob")
