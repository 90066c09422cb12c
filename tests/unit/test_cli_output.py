"""What a command prints does nothing to a terminal, whoever chose a name in it."""

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.text import Text

from storage import cli
from storage.cli import output, terminal
from storage.logs import make_logger

EVIL = "a\x1b[2J\x9b1A\r\x07\x08b\u202ec\x7f\nstate in force"
SHOWN = r"a\x1b[2J\x9b1A\r\x07\x08b\u202ec\x7f\nstate in force"

TEXTS: dict[str, Callable[[], None]] = {
    "a sentence": lambda: output.print_text(EVIL),
    "a note": lambda: output.print_note(EVIL),
    "facts": lambda: output.print_facts([("but not", EVIL)]),
    "the name of a fact": lambda: output.print_facts([(EVIL, "yes")]),
    "a table": lambda: output.print_table(("name",), [(EVIL,)]),
    "a list": lambda: output.print_page(("name", "why"), [(EVIL, "w " * 9000)], None),
}


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("say", TEXTS.values(), ids=TEXTS)
def test_a_name_is_shown_without_its_effect(
    say: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Escaped, and on its line: it forges none."""
    say()

    out, err = capsys.readouterr()
    assert SHOWN in out + err


def test_lines_of_ours_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What people copy has several."""
    output.print_value("one\ntwo\x1b[2J")

    assert capsys.readouterr().out == "one\ntwo\\x1b[2J\n"


def test_a_style_adds_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of one text and those of its parts."""
    styled = Text.assemble((EVIL, "red"), " end")

    output.print_text(output.bad(EVIL), output.good(EVIL), output.warning(EVIL), styled)

    out = capsys.readouterr().out
    assert out.endswith(" end\n")
    assert out.rstrip("\n").isprintable()


def test_a_json_document_is_the_same_without_effect(capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown on terminals too."""
    output.print_json({"name": EVIL + "\U000e0001é"})

    out = capsys.readouterr().out
    assert json.loads(out) == {"name": EVIL + "\U000e0001é"}
    assert "é" in out
    assert all(char.isprintable() or char == "\n" for char in out)


def test_a_question_has_no_effect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names an actor, before somebody approves what he may open."""
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))

    with pytest.raises(typer.Abort):
        terminal.confirm(EVIL)
    out, err = capsys.readouterr()
    assert SHOWN in out + err


def test_a_log_on_a_terminal_has_no_effect() -> None:
    """A peer of the key service chose some of its texts."""
    screen = Terminal()

    make_logger(screen).warning("refused", call="a\x1b[2Jb")

    assert "a\\x1b[2Jb" in screen.getvalue()


def test_nothing_else_prints() -> None:
    """Only ``output`` makes a console; ``progress`` shows texts of ours on it."""
    found = set()
    for path in Path(cli.__file__).parent.rglob("*.py"):
        names = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Name | ast.Attribute)
        }
        if names & {"console_for", "echo", "secho", "print"}:
            found.add(path.name)

    assert found == {"output.py", "progress.py"}
