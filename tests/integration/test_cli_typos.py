"""Typos get a suggestion, and a shell completes commands and options."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storage.cli.app import app
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import ROOT, CommandLine

TENANT = ["--account", "acme", "--residency", "EU"]
TYPOS = {
    "a command": (["erasse"], "erase"),
    "a subcommand": (["hold", "plaze"], "place"),
    "an option": (["list", "acme-eu", "--limitt", "3"], "--limit"),
    "a data class": (["put", "acme-eu", "--class", "promt"], "prompt"),
    "a purpose": (["get", "acme-eu", "x", "--purpose", "serv", "--actor", "chat"], "serve"),
    "a reason": (["erase", "acme-eu", "--all", "--reason", "contrat_end"], "contract_end"),
    "a key": (["key", "rotate", "eu-central-1", "--section", "signin"], "signing"),
    "a region": (["tenant", "list", "--region", "eu-central1"], "eu-central-1"),
    "a region of keys": (["receipt", "key", "--region", "eu-central1"], "eu-central-1"),
    "a region of a policy": (["policy", "explain", "--region", "us-east"], "us-east-1"),
    "a home": (["tenant", "ensure", "t", "--home", "eu-centrl-1", *TENANT], "eu-central-1"),
    "a backend": (["scrub", "--backend", "eu_a"], "eu-a"),
    "a processor": (["processor", "copies", "--processor", "vier-augn"], "vier-augen"),
    "a retention": (
        ["tenant", "ensure", "t", "--home", "us-east-1", *TENANT, "--retention", "promt=3"],
        "prompt",
    ),
}


@pytest.mark.parametrize(("args", "meant"), TYPOS.values(), ids=TYPOS)
def test_a_typo_gets_a_suggestion(line: CommandLine, args: list[str], meant: str) -> None:
    """In the text and in the JSON document, and the exit code is that of a refusal."""
    text, (code, error) = line(*args), line.error(*args)

    assert text.exit_code == code
    assert code in (Exit.INVALID, Exit.REFUSED)
    assert f"Did you mean {meant}?" in error["advice"]
    assert f"Did you mean {meant}?" in " ".join(text.stderr.split())


def test_a_typo_in_a_setting_gets_a_suggestion(line: CommandLine) -> None:
    """The value of the variable is not shown."""
    result = line("status", environment={"DOMICILE_CONECTIONS": "hunter2"})

    assert result.exit_code == Exit.CONFIGURATION
    assert "Did you mean DOMICILE_CONNECTIONS?" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("DOMICILE_REGIONS__EU_CENTRL_1__CATALOG_URL", "eu-central-1"),
        ("DOMICILE_BACKENDS__EU_AA__ACCESS_KEY", "eu-a"),
    ],
)
def test_a_typo_in_a_name_within_a_setting_gets_a_suggestion(
    line: CommandLine, setting: str, meant: str
) -> None:
    """It comes before the settings that the misspelled region or backend lacks."""
    result = line("status", environment={setting: "hunter2"})

    assert result.exit_code == Exit.CONFIGURATION
    assert f"Did you mean {meant}?" in result.stderr
    assert "hunter2" not in result.output


def test_what_resembles_nothing_gets_no_suggestion(line: CommandLine) -> None:
    """The known names are listed all the same."""
    result = line("xxxxxx")

    assert "Did you mean" not in result.stderr
    assert "Known commands: init, doctor" in result.stderr


def _run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        args, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("domicile er", {"erase", "erasure"}),
        ("domicile hold ", {"place", "list", "show", "release", "records", "confirm"}),
        ("domicile worker --dr", {"--dry-run"}),
        ("domicile put acme --class f", {"fine_tuning_file"}),
    ],
)
def test_a_shell_completes(words: str, expected: set[str]) -> None:
    """Commands, subcommands, options and choices."""
    asked = {
        "_DOMICILE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    result = CliRunner(env=asked).invoke(app, prog_name="domicile")

    assert result.exit_code == 0, result.stderr
    assert set(result.stdout.split()) >= expected


def test_completion_is_installed(line: CommandLine, tmp_path: Path) -> None:
    """The help offers it, and it writes the script of the shell into the home directory."""
    # The exit keeps bash from replacing itself: the command looks for its shell.
    command = f"{sys.executable} -m storage.cli --install-completion; exit $?"

    result = _run("bash", "-c", command, HOME=str(tmp_path), SHELL="/bin/bash")

    assert "--install-completion" in line("--help").stdout
    assert result.returncode == 0, result.stderr
    assert "domicile" in (tmp_path / ".bash_completions" / "domicile.sh").read_text()
