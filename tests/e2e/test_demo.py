"""The demonstration as a new user runs it, and its failure when bytes are left."""

import base64
import json
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from storage.cli.commands.demo import demo
from storage.demo import conversations as demo_input
from storage.demo import run as demonstration
from storage.demo.byte_finder import Finder
from storage.demo.conversations import read_conversations
from storage.demo.run import Result
from storage.errors import InvalidRequest

Conversation = dict[str, Any]


def _conversation(number: int) -> Conversation:
    said = [("user", f"Question {number} about the lock of my bicycle"), ("assistant", "Oil it.")]
    return {
        "id": f"conversation-{number:03}",
        "user": f"somebody-{number % 5}",
        "model": "m-1",
        "messages": [
            {"role": role, "content": f"{text} ({turn})"}
            for turn in range(2)
            for role, text in said
        ],
    }


def _lines() -> str:
    return "".join(json.dumps(_conversation(n)) + "\n" for n in range(20))


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    """A file of twenty conversations of five users."""
    path = tmp_path / "conversations.jsonl"
    path.write_text(_lines())
    return path


@pytest.fixture(scope="module")
def success(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Result]:
    """The output and the result of one run. A user is named like a word of the catalog."""
    path = tmp_path_factory.mktemp("demo") / "conversations.jsonl"
    path.write_text(_lines().replace("somebody-1", "subject_request"))
    results = []

    def noted(conversations: list[demo_input.Conversation], console: Console) -> Result:
        results.append(run(conversations, console))
        return results[0]

    run = demonstration.run
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as output:
        patch.setattr(demonstration, "run", noted)
        demo(path)
    return output.getvalue(), results[0]


def test_the_proof_holds(success: tuple[str, Result]) -> None:
    """All traces are found at first and none at the end; the output ends with the next steps."""
    output, _ = success
    assert "PROVED: of " in output
    assert " 0 were found" not in output
    assert " and 0 on day 31; plain text was never found." in " ".join(output.split())
    assert "domicile demo --input FILE" in output
    assert max(map(len, output.splitlines())) <= 80


def test_files_as_other_tools_write_them(tmp_path: Path) -> None:
    """Lines without names, with parts instead of a text, and with tool calls are read."""
    parts = [{"type": "text", "text": "What is in this picture?"}]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a bicycle"},
        {"role": "assistant", "content": "A bicycle."},
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text(f"{json.dumps({'messages': messages})}\n" * 2)

    first, second = read_conversations(path)

    assert (first.id, second.id) == ("conversation-1", "conversation-2")
    assert json.loads(first.messages[0].content) == parts
    assert json.loads(first.messages[1].content) == {"tool_calls": [call]}
    assert [turn.completion for turn in first.turns()][1] == b"A bicycle."


def test_a_user_may_be_called_anything(
    success: tuple[str, Result],
    conversations: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name that is a word of the catalog does not fail the proof; JSON has the numbers."""
    monkeypatch.setattr(demonstration, "run", lambda *_: success[1])

    demo(conversations, as_json=True)

    told = json.loads(capsys.readouterr().out)
    first, *_, last, disk = told["searches"]
    assert (told["proved"], told["findings"]) == (True, [])
    assert first["traces_found"] > 0
    assert (last["traces_found"], last["plain_found"], disk["plain_found"]) == (0, 0, 0)


@pytest.mark.parametrize("duty", ["purge", pytest.param("compact", marks=pytest.mark.deep)])
def test_the_proof_fails_if_bytes_stay(
    duty: str,
    conversations: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a duty it ends, lists what was found where, and exits with 1."""
    monkeypatch.setattr(f"storage.workers.loop.{duty}", lambda _region, _log: 0)

    with pytest.raises(typer.Exit) as ended:
        demo(conversations)

    output = " ".join(capsys.readouterr().out.split())
    assert ended.value.exit_code == 1
    assert "PROOF FAILED" in output
    assert "samples of ciphertext of the erased user" in output.partition("PROOF FAILED")[2]
    assert "No receipt" in output


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda line: line[:-5], "Line 3 of the input: not JSON (at column "),
        (lambda _: "[1]", "Line 3 of the input: not a JSON object."),
        (lambda line: line.replace('"messages"', '"said"'), 'input: "messages" is missing.'),
        (lambda line: line.replace('"content": "', '"content": 7, "x": "'), "be a valid string."),
        (lambda line: line.replace('"m-1"', "7"), 'input: "model" should be a valid string.'),
        (lambda line: line.replace("assistant", "robot"), '"messages.1.role" should be '),
        (
            lambda line: line.replace("-002", "-000"),
            'the input: "id" repeats that of line 1.',
        ),
    ],
)
def test_a_bad_line_is_named(
    change: Callable[[str], str], expected: str, conversations: Path
) -> None:
    """The error has the line number and the problem, and quotes nothing of the line."""
    lines = conversations.read_text().splitlines()
    lines[2] = change(lines[2])
    conversations.write_text("\n".join(lines))

    with pytest.raises(InvalidRequest) as refused:
        demo(conversations)

    assert expected in refused.value.message
    assert "bicycle" not in str(refused.value)


def test_an_input_without_conversations(tmp_path: Path) -> None:
    """A missing file and an empty file are refused."""
    (tmp_path / "empty.jsonl").write_text("\n\n")

    with pytest.raises(InvalidRequest, match="cannot be read"):
        demo(tmp_path / "absent.jsonl")
    with pytest.raises(InvalidRequest, match="has no conversations"):
        demo(tmp_path / "empty.jsonl")


@pytest.mark.parametrize("before", range(8))
def test_the_finder_finds(before: int) -> None:
    """The search finds bytes at any offset, raw, in hexadecimal and in base64."""
    value, other = os.urandom(32), os.urandom(32)
    finder = Finder([value, other, b"somebody"])
    around = os.urandom(before), os.urandom(20)
    plain, name = value.join(around), b"somebody".join(around)

    found = [finder.find(data) for data in (plain, base64.urlsafe_b64encode(plain), name)]

    assert found == [{value}, {value}, {b"somebody"}]
    assert finder.find(b" " * before + base64.b64encode(name)) == {b"somebody"}
    assert finder.find(b" " * before + value.hex().encode()) == {value}
    assert finder.find(value[1:] + other[:-1]) == set()
