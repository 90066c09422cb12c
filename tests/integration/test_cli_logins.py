"""``roster login`` and ``DOMICILE_LOGIN``: the logins of people to an embedded Domicile."""

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine
from tests.support.people_cli import ENTRY, SINCE

HOME = "eu-central-1"


def test_each_person_works_with_a_login_of_its_own(line: CommandLine) -> None:
    """The catalog knows who made an entry. No login is made twice, and none of several."""
    line.told("roster", "login", "kim", "ada")
    keeper = (*ENTRY[:2], "--role", "roster_keeper", *ENTRY[4:], *SINCE)
    line.told("roster", "enter", HOME, "kim", *keeper, "--login", "kim")
    as_kim = {"DOMICILE_LOGIN": "kim"}
    ada = ("roster", "enter", HOME, "ada", *ENTRY, *SINCE, "--login", "ada")

    assert "Entered by kim." in line(*ada, environment=as_kim).output
    taken = line.error("roster", "login", "zoe", "kim")
    assert (taken[0], taken[1]["message"]) == (Exit.INVALID, "There is a login kim already.")
    assert line.told("roster", "login", "zoe")["logins"] == ["zoe"]  # nothing was made before
    assert line("roster", "login", "postgres").exit_code == Exit.INVALID
    assert line("roster", "login", 'x" SUPERUSER --').exit_code == Exit.INVALID


def test_a_person_makes_no_logins_and_no_catalogs(line: CommandLine) -> None:
    """Only the owner does."""
    line("roster", "login", "eve")
    as_eve = {"DOMICILE_LOGIN": "eve"}

    assert line("roster", "login", "mallory", environment=as_eve).exit_code == Exit.CONFIGURATION
    refused = line("init", environment=as_eve)
    assert refused.exit_code == Exit.CONFIGURATION
    assert "Unset DOMICILE_LOGIN" in refused.output


def test_a_login_goes_with_no_url(line: CommandLine) -> None:
    """With settings of regions, their URLs name the login; logins are made on their servers."""
    region = {
        "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": "postgresql://kim@127.0.0.1:1/none",
        "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": "/nowhere",
    }
    both = line("status", environment=region | {"DOMICILE_LOGIN": "kim"})
    made = line("roster", "login", "kim", environment=region)

    assert both.exit_code == Exit.CONFIGURATION
    assert "DOMICILE_LOGIN is for an embedded Domicile" in both.output
    assert made.exit_code == Exit.INVALID
    assert "howto/open-for-an-investigation" in made.output


def test_a_login_that_is_unknown_is_refused(line: CommandLine) -> None:
    """It does not become the owner's."""
    unknown = line("status", environment={"DOMICILE_LOGIN": "nobody"})
    told = " ".join(unknown.output.split())
    assert unknown.exit_code == Exit.CONFIGURATION
    assert "has no login nobody" in told
    assert "domicile roster login nobody" in told
    assert "pg_hba" not in told
    assert line("status", environment={"DOMICILE_LOGIN": "a b"}).exit_code == Exit.CONFIGURATION
