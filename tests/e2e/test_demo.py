"""The demonstration as a newcomer runs it, and as it has to fail when bytes stay."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from storage.cli.commands.demo import demo
from storage.demo.byte_finder import Finder
from storage.demo.conversations import read_conversations
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


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    """A file of twenty conversations of five users."""
    path = tmp_path / "conversations.jsonl"
    path.write_text("".join(json.dumps(_conversation(n)) + "\n" for n in range(20)))
    return path


def test_the_proof_holds(conversations: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is found before, and nothing afterwards; it ends with what to try next."""
    demo(conversations)

    told = capsys.readouterr().out
    assert "PROVED: looked for" in told
    assert "found 0" not in told
    assert ", 0 on day 31, and plain text never." in " ".join(told.split())
    assert "domicile demo --input FILE" in told
    assert max(map(len, told.splitlines())) <= 80


def test_files_as_other_tools_write_them(tmp_path: Path) -> None:
    """Without names, with parts instead of a text, and with calls of tools in between."""
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
    conversations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that the catalog writes by itself proves nothing. As JSON, the same in numbers."""
    named = conversations.read_text().replace("somebody-1", "subject_request")
    conversations.write_text(named)

    demo(conversations, as_json=True)

    told = json.loads(capsys.readouterr().out)
    first, *_, last, disk = told["searches"]
    assert (told["proved"], told["findings"]) == (True, [])
    assert first["traces_found"] > 0
    assert (last["traces_found"], last["plain_found"], disk["plain_found"]) == (0, 0, 0)


@pytest.mark.parametrize("duty", ["purge", "compact"])
def test_the_proof_fails_if_bytes_stay(
    duty: str,
    conversations: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a duty disabled it ends in time, says what was found where, and exits with 1."""
    monkeypatch.setattr(f"storage.workers.loop.{duty}", lambda _region, _log: 0)

    with pytest.raises(typer.Exit) as ended:
        demo(conversations)

    told = " ".join(capsys.readouterr().out.split())
    assert ended.value.exit_code == 1
    assert "PROOF FAILED" in told
    assert "samples of ciphertext of the erased user" in told.partition("PROOF FAILED")[2]
    assert "No receipt" in told


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda line: line[:-5], "Line 3 of the input: it is not JSON (see column "),
        (lambda _: "[1]", "Line 3 of the input: it is not a JSON object."),
        (lambda line: line.replace('"messages"', '"said"'), 'input: "messages" is missing.'),
        (lambda line: line.replace('"content": "', '"content": 7, "x": "'), "be a valid string."),
        (lambda line: line.replace('"m-1"', "7"), 'input: "model" should be a valid string.'),
        (lambda line: line.replace("assistant", "robot"), '"messages.1.role" should be '),
        (lambda line: line.replace("-002", "-000"), 'Line 3 of the input: "id" is that of line 1.'),
    ],
)
def test_a_bad_line_is_named(spoil: Callable[[str], str], said: str, conversations: Path) -> None:
    """The error has the number of the line and what is wrong there, and nothing of its content."""
    lines = conversations.read_text().splitlines()
    lines[2] = spoil(lines[2])
    conversations.write_text("\n".join(lines))

    with pytest.raises(InvalidRequest) as refused:
        demo(conversations)

    assert said in refused.value.message
    assert "bicycle" not in str(refused.value)


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    """What cannot be read, or holds nothing, is said to be so."""
    (tmp_path / "empty.jsonl").write_text("\n\n")

    with pytest.raises(InvalidRequest, match="cannot be read"):
        demo(tmp_path / "absent.jsonl")
    with pytest.raises(InvalidRequest, match="holds no conversation"):
        demo(tmp_path / "empty.jsonl")


@pytest.mark.parametrize("before", range(8))
def test_what_is_looked_for_is_found(before: int) -> None:
    """The proof's search finds bytes wherever they begin, also in hexadecimal and in base64."""
    sought, other = os.urandom(32), os.urandom(32)
    finder = Finder([sought, other, b"somebody"])
    around = os.urandom(before), os.urandom(20)
    plain, name = sought.join(around), b"somebody".join(around)

    found = [finder.find(data) for data in (plain, base64.urlsafe_b64encode(plain), name)]

    assert found == [{sought}, {sought}, {b"somebody"}]
    assert finder.find(b" " * before + base64.b64encode(name)) == {b"somebody"}
    assert finder.find(b" " * before + sought.hex().encode()) == {sought}
    assert finder.find(sought[1:] + other[:-1]) == set()
