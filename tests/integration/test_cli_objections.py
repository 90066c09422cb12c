"""``tenant object``, ``withdraw`` and ``objections``."""

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine

BY = ("--by", "officer-7", "--ticket", "CASE-1")


def test_an_objection_from_the_beginning_to_its_withdrawal(line: CommandLine) -> None:
    """The customer is told what it means; the list says how far it is, and who said what."""
    line.put("mine")

    told = line("tenant", "object", "acme-eu", "lindenhost", *BY)
    assert "Its data may be on: eu-b." in told.stderr
    assert "The region wants 2 replicas, and 1 place left" in told.stderr
    (before,) = line.told("tenant", "objections", "acme-eu")["objections"]
    assert before["left"] == 2
    line("worker", "--once")
    listed = line("tenant", "objections", "acme-eu").stdout
    assert "lindenhost" in listed
    assert "officer-7" in listed
    line.told("tenant", "withdraw", "acme-eu", "lindenhost", *BY)

    (after,) = line.told("tenant", "objections", "acme-eu")["objections"]
    assert after["withdrawn_by"] == "officer-7"
    assert "withdrawn" in line("tenant", "objections", "acme-eu").stdout


def test_what_is_refused_says_what_to_do(line: CommandLine) -> None:
    """A typing error gets a suggestion; a steward, the regions that avoid it."""
    code, error = line.error("tenant", "object", "acme-eu", "lindenhst", *BY)
    assert code == Exit.REFUSED
    assert error["reasons"] == ["unknown_company"]
    assert "lindenhost" in error["advice"]

    code, error = line.error("tenant", "object", "acme-eu", "quellwerk", *BY)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["steward"])
    assert "Only a home in another region avoids it" in error["advice"]
    listed = line.told("tenant", "objections", "acme-eu")["objections"]
    assert {one["company"] for one in listed} <= {"lindenhost"}
