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


def test_a_run_that_was_handed_nothing_has_nothing_to_confirm(line: CommandLine, file: str) -> None:
    """Its list is empty."""
    found = line.told("training", "exclusions", "run-1")
    assert found["exclusions"] == []
    given = ("--listed", found["listed"], "--document", "d" * 64, *BY)
    code, error = line.error("training", "confirm", "run-1", *given)
    assert error["code"] == "NotFound", (code, file)
