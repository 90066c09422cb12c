"""``training`` and ``model``: what must not be used any more, and whose a model is."""

from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant

BY = ("--by", "ann")
TUNE = ("--purpose", "fine_tune", "--actor", "chat")


@pytest.fixture
def file(line: CommandLine, tmp_path: Path) -> str:
    """Return the id of a file of a tenant that has a model."""
    line.put("mine")
    source = tmp_path / "train.jsonl"
    source.write_bytes(b"lines")
    put = line("put", "acme-eu", source, "--class", "fine_tuning_file").stdout.strip()
    line.told("model", "add", "acme-eu", "acme-model", *BY)
    return put


def test_a_file_fine_tunes_the_model_of_its_customer(line: CommandLine, file: str) -> None:
    """What is used is explained, listed once it is erased, and confirmed."""
    job = ("--job", "job-1", "--model", "acme-model")
    assert line("get", "acme-eu", file, *TUNE, *job).stdout == "lines"
    assert "acme-model" in line("explain", "acme-eu", file).stdout
    assert [x["name"] for x in line.told("model", "list", "acme-eu")["models"]] == ["acme-model"]
    line("erase", "acme-eu", "--record", file, "--reason", "subject_request", "--yes")

    found = line.told("model", "exclusions", "acme-eu", "acme-model")
    assert [(x["record"], x["reason"]) for x in found["exclusions"]] == [(file, "erased")]
    given = ("--listed", found["listed"], "--document", "d" * 64, *BY)
    told = line("model", "confirm", "acme-eu", "acme-model", *given)
    assert "Erasures that waited for acme-model go on." in told.stderr


def test_no_other_model_is_fine_tuned(line: CommandLine, file: str) -> None:
    """By no option, and not without one."""
    ensure_tenant(line, "beta-eu", "eu-central-1", "EU")
    line.told("model", "add", "beta-eu", "beta-model", *BY)
    for model, reason in (("beta-model", "another_tenants_model"), ("base", "unknown_model")):
        job = ("--job", "job-1", "--model", model)
        code, error = line.error("get", "acme-eu", file, *TUNE, *job)
        assert (code, error["reasons"]) == (Exit.REFUSED, [reason])
    code, error = line.error("get", "acme-eu", file, *TUNE)
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")


def test_a_run_or_a_model_that_nobody_knows_is_no_empty_list(line: CommandLine, file: str) -> None:
    """A mistyped name is an error that says what it is of. So is the model of another tenant."""
    ensure_tenant(line, "beta-eu", "eu-central-1", "EU")
    line.told("model", "add", "beta-eu", "beta-model", *BY)
    given = ("--listed", "2026-03-01T12:00", "--document", "d" * 64, *BY)
    for model in ("typo", "beta-model"):
        for command in (("exclusions",), ("confirm", *given)):
            code, error = line.error("model", command[0], "acme-eu", model, *command[1:])
            assert (code, error["code"]) == (Exit.NOT_THERE, "NotFound"), file
            assert error["message"] == "The tenant has no model of that name."
    for asked in (("exclusions", "typo"), ("confirm", "typo", *given)):
        code, error = line.error("training", *asked)
        assert (code, error["code"]) == (Exit.NOT_THERE, "NotFound")
        assert "No run of that name" in error["message"]


def test_a_model_that_was_not_fine_tuned_has_nothing_to_confirm(line: CommandLine) -> None:
    """Its list is empty."""
    line.put("mine")
    line.told("model", "add", "acme-eu", "idle", *BY)
    found = line.told("model", "exclusions", "acme-eu", "idle")
    assert found["exclusions"] == []
    given = ("--listed", found["listed"], "--document", "d" * 64, *BY)
    code, error = line.error("model", "confirm", "acme-eu", "idle", *given)
    assert (code, error["message"]) == (Exit.NOT_THERE, "Nothing was handed out for that model.")
