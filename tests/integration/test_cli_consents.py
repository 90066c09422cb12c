"""``consent``: give, withdraw, opt-out, list and export."""

import json
from datetime import UTC, datetime

from regions.load import load_topology
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine

(WORDING,) = load_topology().wordings
ABOUT = ("--class", "prompt", "--class", "completion", "--purpose", "train", "--by", "ann")


def test_a_consent_from_the_beginning_to_its_withdrawal(line: CommandLine) -> None:
    """Each step says what it did; the list has them in order, and the export is JSON-LD."""
    line.put("mine")
    given = line.told("consent", "give", "acme-eu", WORDING, *ABOUT)["consent"]
    assert (given["kind"], given["classes"]) == ("opt_in", ["completion", "prompt"])
    said = line("consent", "withdraw", "acme-eu", *ABOUT, "--subject", "-", stdin="ann@acme\n")
    assert "Recorded withdrawal" in said.stderr
    early = ("--given", "2022-06-01", "--document", "c" * 64)
    line("consent", "opt-out", "acme-eu", *ABOUT, *early)

    listed = line("consent", "list", "acme-eu").stdout
    assert "2022-06-01" in listed
    assert "a subject" in listed
    found = line.told("consent", "list", "acme-eu")
    assert [x["kind"] for x in found["consents"]] == ["opt_in", "withdrawal", "opt_out"]
    mine = line.told("consent", "list", "acme-eu", "--subject", "ann@acme")["consents"]
    assert [x["kind"] for x in mine] == ["withdrawal"]
    exported = json.loads(line("consent", "export", "acme-eu").stdout)
    assert {x["@type"] for x in exported["@graph"]} == {"dpv:ConsentRecord"}
    assert "ann@acme" not in json.dumps(found) + json.dumps(exported)


def test_what_is_refused_says_what_to_do(line: CommandLine) -> None:
    """A wording that nobody registered, and a class that its text does not name."""
    line.put("mine")
    code, error = line.error("consent", "give", "acme-eu", "d" * 64, *ABOUT)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["unknown_wording"])
    assert "consents.toml" in error["advice"]
    files = ("--class", "fine_tuning_file", "--purpose", "train", "--by", "ann")
    code, error = line.error("consent", "give", "acme-eu", WORDING, *files)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["class_not_in_wording"])


def test_a_withdrawal_of_a_day_ends_a_consent_of_that_day(line: CommandLine) -> None:
    """It counts from now, not from midnight: the consent is older, and cannot be given again."""
    line.put("mine")
    line("consent", "give", "acme-eu", WORDING, *ABOUT)
    today = str(datetime.now(UTC).date())
    line("consent", "withdraw", "acme-eu", *ABOUT, "--given", today)
    *_, given, withdrawn = line.told("consent", "list", "acme-eu")["consents"]
    assert withdrawn["given"] > given["given"]
    code, error = line.error("consent", "give", "acme-eu", WORDING, *ABOUT, "--given", today)
    assert (code, error["reasons"]) == (Exit.REFUSED, ["older_than_withdrawal"])
    early = ("--given", "2022-06-01", "--document", "c" * 64)
    said = line("consent", "opt-out", "acme-eu", *ABOUT, *early)
    assert "It counts from 2022-06-01 23:59 UTC on." in said.stderr


def test_there_is_no_consent_for_a_flag(line: CommandLine) -> None:
    """The topology has the class, and the error does not say otherwise."""
    line.put("mine")
    flags = ("--class", "flag", "--purpose", "train", "--by", "ann")
    _, error = line.error("consent", "withdraw", "acme-eu", *flags)
    assert error["message"] == "The class flag is not one of records."
    assert "prompt" in error["advice"]


def test_a_withdrawal_that_is_older_than_the_consent_says_that_it_stays(line: CommandLine) -> None:
    """It is recorded with its date, and ends nothing that was consented to later."""
    line.put("mine")
    for whose in ((), ("--subject", "bea@acme")):
        given = line.told("consent", "give", "acme-eu", WORDING, *ABOUT, *whose)["consent"]
        early = (*ABOUT, *whose, "--given", "2022-06-01")
        for args in (("withdraw",), ("opt-out", "--document", "c" * 64)):
            said = line("consent", args[0], "acme-eu", *args[1:], *early).stderr
            assert f"Consent {given['id']} was given later, at {given['given'][:10]}" in said
            assert "stays in force" in said
            told = line.told("consent", args[0], "acme-eu", *args[1:], *early)
            assert told["later_consents"] == [given["id"]]
        said = line("consent", "withdraw", "acme-eu", *ABOUT, *whose).stderr
        assert "Recorded withdrawal" in said
        assert "stays in force" not in said
        assert line.told("consent", "withdraw", "acme-eu", *early)["later_consents"] == []
