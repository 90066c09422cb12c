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


def test_the_objections_of_all_tenants_are_listed(line: CommandLine) -> None:
    """Page by page, from all regions: what is in force, and how far each is."""
    assert line.told("tenant", "objections")["objections"] == []
    line.put("mine")
    for tenant, home, residency in (("Zeta", "eu-central-1", "EU"), ("acme-us", "us-east-1", "US")):
        terms = ("--account", tenant, "--home", home, "--residency", residency)
        line.told("tenant", "ensure", tenant, *terms, "--dpa", "2026-01-05")
    for tenant, ticket in (("acme-eu", "CASE-1"), ("Zeta", "CASE-2"), ("acme-us", "CASE-3")):
        company = "prairie-racks" if tenant == "acme-us" else "lindenhost"
        line.told("tenant", "object", tenant, company, "--by", "officer-7", "--ticket", ticket)
    line.told("tenant", "object", "acme-eu", "klarblick", *BY)

    pages, after = list[list[str]](), list[str]()
    while True:
        page = line.told("tenant", "objections", "--limit", "1", *after)
        pages.append([f"{one['tenant']}: {one['company']}" for one in page["objections"]])
        if page["next"] is None:
            break
        after = ["--after", page["next"]]

    assert [page for page in pages if page] == [
        ["Zeta: lindenhost"],
        ["acme-eu: klarblick", "acme-eu: lindenhost"],
        ["acme-us: prairie-racks"],
    ]
    every = {one["tenant"]: one for one in line.told("tenant", "objections")["objections"]}
    assert (every["Zeta"]["ticket"], every["Zeta"]["region"]) == ("CASE-2", "eu-central-1")
    assert (every["Zeta"]["by"], every["Zeta"]["gone"]) == ("officer-7", None)

    line("worker", "--once")
    line.told("tenant", "withdraw", "acme-eu", "lindenhost", *BY)
    shown = " ".join(line("tenant", "objections").stdout.split())
    assert "Zeta lindenhost eu-central-1" in shown
    assert "nothing is there since" in shown
    assert "acme-eu lindenhost" not in shown
    assert line("tenant", "objections", "acme-eu", "--after", "x").exit_code == Exit.INVALID


def test_an_objection_that_is_withdrawn_and_made_again_has_the_new_ticket(
    line: CommandLine,
) -> None:
    """The list says who decided what is in force."""
    line.put("mine")
    for ticket in ("OLD", "NEW"):
        line.told("tenant", "object", "acme-eu", "lindenhost", "--by", "o", "--ticket", ticket)
        if ticket == "OLD":
            line.told("tenant", "withdraw", "acme-eu", "lindenhost", *BY)

    listed = line.told("tenant", "objections", "--after", "acme-ea", "--limit", "1")["objections"]
    tickets = {one["company"]: one["ticket"] for one in listed}
    assert tickets["lindenhost"] == "NEW"
