"""``policy explain ID``: whether a record may be used, with the reasons and what they rest on."""

import hashlib
from pathlib import Path

import pytest

from regions.load import load_topology
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine

(WORDING,) = load_topology().wordings
SOURCE = hashlib.sha256(b"the export of another system").hexdigest()
BEFORE = ("--origin-date", "2023-02-28", "--origin-source", SOURCE)


@pytest.fixture
def file(line: CommandLine, tmp_path: Path) -> str:
    """The id of a fine-tuning file that came in before March 1, 2023."""
    path = tmp_path / "tuning.jsonl"
    path.write_text("{}")
    told = line.told("put", "acme-eu", path, "--class", "fine_tuning_file", *BEFORE)
    return str(told["id"])


def asked(record: str, purpose: str, *more: str) -> list[str]:
    """Return the arguments that ask about a record."""
    return ["policy", "explain", record, "--tenant", "acme-eu", "--purpose", purpose, *more]


def test_training_is_explained_by_both_epochs(line: CommandLine, file: str) -> None:
    """Before the change the class speaks against it, and there was no agreement; today consent."""
    then = line.told(*asked(file, "train", "--at", "2023-02-28"))
    today = line.told(*asked(file, "train"))

    assert not then["allowed"]
    assert not today["allowed"]
    assert then["reasons"] == ["for_return_alone", "purpose_not_allowed"]
    assert today["reasons"] == ["purpose_not_allowed", "not_opted_in"]
    assert today["origin_date"] == "2023-02-28"
    assert today["taken_from"] == {"date": "2023-02-28", "source": SOURCE}
    assert today["epoch"]["train"] == then["epoch_then"]["train"] == "unless_opted_out"
    assert today["epoch_then"] == {"begins": "2023-03-01", "train": "opted_in"} | {
        "ceiling_days": None
    }
    assert today["consent"]["said"] == "nothing_said"
    assert today["openers"] == ["machine"]


def test_people_read_the_reasons_and_the_facts(line: CommandLine, file: str) -> None:
    """In words, with the source of what was taken in."""
    shown = line(*asked(file, "train", "--at", "2026-03-01"))
    text = " ".join(shown.stdout.split())

    assert shown.exit_code == Exit.DONE
    assert file in text
    assert "For train on 2026-03-01: NOT ALLOWED." in text
    assert "classes.toml does not list the purpose for its class" in text
    assert "one of the two epochs needs an opt-in of the customer, and there is none" in text
    assert "its epoch from 2020-06-11; train: unless_opted_out; ceiling: unstated" in text
    assert "epoch of 2026-03-01 from 2023-03-01; train: opted_in; ceiling: unstated" in text
    assert f"2023-02-28, from the source {SOURCE[:8]}" in text
    assert "consent to training nothing was said" in text


def test_what_was_said_is_in_the_answer(line: CommandLine) -> None:
    """An opt-in counts until it is withdrawn; the answer names the statement that decides."""
    about = ("--class", "prompt", "--purpose", "train", "--by", "ann")
    given = line.told("consent", "give", "acme-eu", WORDING, *about)["consent"]
    record = line.put("hello")
    before = line.told(*asked(record, "train"))
    shown = " ".join(line(*asked(record, "train")).stdout.split())
    withdrawn = line.told("consent", "withdraw", "acme-eu", *about)["consent"]
    after = line.told(*asked(record, "train"))

    assert before["reasons"] == ["purpose_not_allowed"]
    assert (before["consent"]["said"], before["consent"]["statement"]) == ("opted_in", given["id"])
    assert before["consent"]["wording"] == WORDING
    assert f"consent to training the customer has opted in: {given['id']} of" in shown
    assert after["reasons"] == ["purpose_not_allowed", "not_opted_in", "opted_out"]
    assert (after["consent"]["said"], after["consent"]["statement"]) == (
        "opted_out",
        withdrawn["id"],
    )


def test_each_purpose_is_answered(line: CommandLine) -> None:
    """Who would open for it, and whether that takes a grant."""
    record = line.put("hello")

    serve = line.told(*asked(record, "serve"))
    abuse = line.told(*asked(record, "abuse_investigation"))
    legal = line.told(*asked(record, "legal"))
    late = line.told(*asked(record, "serve", "--at", "2099-01-01"))

    assert (serve["allowed"], serve["openers"], serve["grant"]) == (True, ["customer"], False)
    assert serve["epoch"]["ceiling_days"] == 30
    assert (abuse["allowed"], abuse["grant"]) == (True, True)
    assert abuse["openers"] == ["contractor", "employee"]
    assert legal["reasons"] == ["not_held"]
    assert late["reasons"] == ["expired"]
    assert "For serve on" in line(*asked(record, "serve")).stdout


@pytest.mark.parametrize(
    "args",
    [
        ["policy", "explain", "x", "--tenant", "acme-eu"],
        ["policy", "explain", "x", "--purpose", "serve"],
        ["policy", "explain", "x", "--tenant", "acme-eu", "--purpose", "serve"],
        ["policy", "explain", "--purpose", "serve"],
        ["policy", "explain", "--at", "2026-03-01"],
    ],
)
def test_a_question_that_is_none_is_refused(line: CommandLine, args: list[str]) -> None:
    """It names what is missing."""
    code, error = line.error(*args)

    assert code == Exit.INVALID
    assert error["code"] in {"InvalidRequest", "MalformedId"}


def test_what_is_erased_is_answered_as_erased(line: CommandLine) -> None:
    """While it is there; what has no row any more is not found, or was erased."""
    record = line.put("mine")
    line.told("erase", "acme-eu", "--record", record, "--reason", "subject_request", "--yes")
    told = line.told(*asked(record, "serve"))

    assert told["reasons"] == ["erased"]
    assert told["erased"]
    other = record[:-1] + ("g" if record[-1] != "g" else "0")
    code, error = line.error(*asked(other, "serve"))
    assert (code, error["code"]) == (Exit.NOT_THERE, "NotFound")


def test_an_origin_is_taken_in_and_shown(line: CommandLine, file: str) -> None:
    """By explain and in the list. Both of its parts are needed, and its end counts."""
    given = ["put", "acme-eu", "--class", "prompt"]
    wrong = (
        (["--origin-date", "2026-01-01"], "InvalidRequest"),
        (["--origin-source", SOURCE], "InvalidRequest"),
        (["--origin-date", "yesterday", "--origin-source", SOURCE], "InvalidRequest"),
        (["--origin-date", "2026-01-01", "--origin-source", "abc"], "InvalidRequest"),
        (["--origin-date", "2099-01-01", "--origin-source", SOURCE], "OriginRefused"),
        (list(BEFORE), "OriginRefused"),
    )
    for args, name in wrong:
        code, error = line.error(*given, *args, stdin="older")
        assert error["code"] == name
        assert code == (Exit.INVALID if name == "InvalidRequest" else Exit.REFUSED)

    listed = line.told("list", "acme-eu", "--class", "fine_tuning_file")["records"]
    origins = [one["origin"] for one in listed if one["id"] == file]
    assert origins == [{"date": "2023-02-28", "source": SOURCE}]
    assert "2023-02-28, from the source" in line("explain", "acme-eu", file).stdout


def test_a_record_is_not_asked_about_by_region_or_pause(line: CommandLine) -> None:
    """They would be ignored: a record is in the home of its tenant, and no bound is computed."""
    for option, value in (("--region", "eu-central-1"), ("--pause", "7"), ("--pause", "5")):
        code, error = line.error(*asked(line.put("mine"), "serve", option, value))

        assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
        assert option in error["message"]
