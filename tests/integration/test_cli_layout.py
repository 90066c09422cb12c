"""At 80 columns help and output break lines between words only."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command

from storage.cli import output
from storage.cli.app import app
from tests.support.cli_harness import READ, CommandLine

_BORDERS = str.maketrans(dict.fromkeys("│╭╮╰╯─•", " "))


def words(text: str) -> set[str]:
    """Return the words of an output, without borders and the colons of lists."""
    return {word.rstrip(":") for word in text.translate(_BORDERS).split()}


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command and group."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))


COMMANDS = list(_commands(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "domicile")
def test_no_word_of_a_help_is_split(line: CommandLine, path: tuple[str, ...]) -> None:
    """Each word at 80 columns is a word at 400 columns; no line is longer than 80."""
    wide = line(*path, "--help", environment={"COLUMNS": "400"}).stdout
    narrow = line(*path, "--help", environment={"COLUMNS": "80"}).stdout

    assert words(narrow) - words(wide) == set()
    assert max(map(len, narrow.splitlines())) <= 80


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "domicile")
def test_every_help_is_a_reference(line: CommandLine, path: tuple[str, ...]) -> None:
    """It begins with a sentence about what the command does, and describes every option."""
    help_text = line(*path, "--help", environment={"COLUMNS": "400"}).stdout
    first = next(row for row in help_text.splitlines()[2:] if row.strip() and "Usage:" not in row)

    assert first.strip()[0].isupper()
    assert first.strip()[-1] in ".:"


@pytest.fixture
def width(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The width of the terminal, in a list of one: commands print as they do there."""
    columns = [80]

    def console_for(*, stderr: bool = False) -> Console:
        stream = sys.stderr if stderr else sys.stdout
        return Console(file=stream, width=columns[0], markup=False, highlight=False, emoji=False)

    monkeypatch.setattr(output, "console_for", console_for)
    return columns


def _shown(line: CommandLine, width: list[int], columns: int, args: list[str]) -> str:
    width[0] = columns
    return line(*args, stdin="").output


def test_no_word_of_an_output_is_split(line: CommandLine, width: list[int], tmp_path: Path) -> None:
    """Tables, facts, sentences and errors, with ids as long as they get."""
    file = tmp_path / "file.jsonl"
    file.write_text("{}")
    record = line.put("a prompt", "--subject", "layout")
    line("put", "acme-eu", file, "--class", "fine_tuning_file")
    erase = ["erase", "acme-eu", "--subject", "layout", "--reason", "contract_end"]
    erasure = line.told(*erase, "--yes")["erasure"]["id"]
    outputs = [
        ["list", "acme-eu"],
        ["explain", "acme-eu", line.put("another")],
        [*erase, "--dry-run"],
        ["erasure", "list"],
        ["erasure", "show", erasure],
        ["worker", "--dry-run"],
        ["status"],
        ["scrub", "--full", "--rate", "1000"],
        ["tenant", "list"],
        ["region", "list"],
        ["processor", "list"],
        ["subprocessor", "list"],
        ["processor", "copies"],
        ["policy", "explain"],
        ["recover"],
        ["get", "acme-eu", record, *READ],
        ["get", "acme-eu", "x", "--purpose", "serv", "--actor", "chat"],
        ["pt"],
    ]

    for args in outputs:
        wide, narrow = (_shown(line, width, columns, args) for columns in (400, 80))
        assert words(narrow) - words(wide) == set(), args
        assert max(map(len, narrow.splitlines())) <= 80, args


def test_a_live_file_is_not_listed_as_erased(line: CommandLine, tmp_path: Path) -> None:
    """It has no deadline, and the list says so."""
    file = tmp_path / "file.jsonl"
    file.write_text("{}")
    put = line("put", "acme-eu", file, "--class", "fine_tuning_file").stdout.strip()

    listed = line("list", "acme-eu", "--class", "fine_tuning_file").stdout

    (row,) = (row for row in listed.splitlines() if put in row)
    assert "erased" not in row
    assert "no deadline" in row
