"""Error output names commands and options, never the Python API, and points to its page."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import storage
import storage.errors
import storage.model
from storage.cli.advice import for_command_line
from storage.cli.exit_codes import Exit
from storage.errors import DomicileError
from tests.support.cli_harness import READ, CommandLine

_SOURCE = Path(storage.__file__).parent
_LIBRARY_ONLY = ("testing/", "demo/")  # no command reaches these

_CALL = re.compile(r"[A-Za-z_]\w*\(")
_MODULE = re.compile(r"\bstorage\.[a-z]")
_SNAKE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b(?!\.toml)")
_API = re.compile(rf"\b(?:{'|'.join(n for n in storage.__all__ if re.search('[a-z][A-Z]', n))})\b")


def _kinds() -> dict[str, type[DomicileError]]:
    found: dict[str, type[DomicileError]] = {}
    pending: list[type[DomicileError]] = [DomicileError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        found[kind.__name__] = kind
    return found


def _models(above: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in above.__subclasses__():
        yield model
        yield from _models(model)


def _data_words() -> set[str]:
    """Return the names with underscores that a person writes: in TOML, settings and options."""
    fields = {
        name
        for model in _models(BaseModel)
        if model.__module__.startswith(("regions.", "storage.backends.", "storage.settings"))
        for name in model.model_fields
    }
    enums = (
        storage.model.DataClass,
        storage.model.Purpose,
        storage.model.Reason,
        storage.model.ScopeKind,
    )
    return fields | {word.value for words in enums for word in words}


_POSTGRES = {"full_page_writes", "pg_hba", "pg_locks", "pg_stat_activity", "synchronous_commit"}
_ALLOWED = _data_words() | _POSTGRES


def python_names(text: str) -> list[str]:
    """Return what a text names of our Python code."""
    return [
        *_CALL.findall(text),
        *_MODULE.findall(text),
        *_API.findall(text),
        *(name for name in _SNAKE.findall(text) if name not in _ALLOWED),
    ]


def _text(node: ast.expr) -> str | None:
    """Return the text of a literal, with X for each value that is inserted."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
        return "".join(map(str, parts))
    return None


def _literals(node: ast.expr) -> Iterator[str]:
    """Yield the texts of an argument: one literal, or those of both branches of a condition."""
    text = _text(node)
    if text is not None:
        yield text
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
    elif isinstance(node, ast.BinOp):
        yield from _literals(node.left)
        yield from _literals(node.right)


def _raised() -> Iterator[tuple[str, type[DomicileError], str, str]]:
    """Yield every error that the source constructs: where, its class, its message, its advice."""
    kinds = _kinds()
    for path in sorted(_SOURCE.rglob("*.py")):
        where = str(path.relative_to(_SOURCE))
        if where.startswith(_LIBRARY_ONLY):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            kind = kinds.get(node.func.id)
            if kind is None:
                continue
            advices = [
                text
                for keyword in node.keywords
                if keyword.arg == "advice"
                for text in _literals(keyword.value)
            ]
            messages = [text for argument in node.args for text in _literals(argument)]
            for message in messages or [""]:
                for advice in advices or [kind.usual_advice]:
                    yield f"{where}:{node.lineno}", kind, message, advice


def _shown(kind: type[DomicileError], message: str, advice: str) -> str:
    error = kind.__new__(kind)
    error.message, error.advice = message, advice
    shown = for_command_line(error)
    return f"{shown.message} {shown.advice}"


def test_no_error_of_the_source_names_python() -> None:
    """Every message and advice that the code can raise goes through the printer of errors."""
    raised = list(_raised())
    wrong = [
        (where, kind.__name__, found, shown)
        for where, kind, message, advice in raised
        if (found := python_names(shown := _shown(kind, message, advice)))
    ]

    assert len(raised) > 150
    assert wrong == []


@pytest.mark.parametrize("name", sorted(_kinds()))
def test_no_default_names_python(name: str) -> None:
    """The message and the advice that a class has by itself are translated too."""
    kind = _kinds()[name]
    message = (kind.__doc__ or "").strip().splitlines()[0]

    assert python_names(_shown(kind, message, kind.usual_advice)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Use put_file.",
        "Use Scope.subject(name) and the like.",
        "An id comes from new_id, or from the result of a put.",
        "Use store.tenant(id).erase.",
        "Give a RecordId, or its text.",
        "The reasons are codes of storage.policy.",
        "derived_from is a list of ids.",
    ],
)
def test_the_check_sees_python(text: str) -> None:
    """The check of these tests, and the translation, both recognize what they must."""
    assert python_names(text)
    assert not python_names(_shown(storage.errors.InvalidRequest, "Invalid.", text))


FAILING = {
    "a malformed id": ["get", "acme-eu", "x", *READ],
    "an unknown tenant": ["list", "nobody"],
    "a malformed parent": ["put", "acme-eu", "--class", "prompt", "--derived-from", "x"],
    "metadata of 5 KiB": [
        *["put", "acme-eu", "--class", "prompt", "--metadata"],
        json.dumps({"a": "x" * 5000}),
    ],
    "an empty subject": ["erase", "acme-eu", "--subject", "", "--reason", "contract_end", "--yes"],
    "an erasure of a malformed id": [
        *["erase", "acme-eu", "--record", "x", "--reason", "contract_end", "--yes"],
    ],
    "a hold without a matter": [
        *["hold", "place", "acme-eu", "--all", "--matter", "", "--authority", "court"],
        *["--issuer", "counsel", "--review", "2999-01-01", "--no-future"],
        *["--jurisdiction", "EU", "--document", "0" * 64],
    ],
    "a hold that is absent": ["hold", "show", "none"],
    "an unknown service": [
        *["tenant", "ensure", "t", "--account", "a", "--home", "eu-central-1"],
        *["--residency", "EU", "--service", "chat"],
    ],
    "an id of a tenant with spaces": [
        *["tenant", "ensure", "a b", "--account", "a", "--home", "eu-central-1"],
        *["--residency", "EU"],
    ],
    "a copy that is absent": [
        *["processor", "attest", "x", "--document", "-", "--actor", "officer-7"],
    ],
    "a receipt of garbage": ["receipt", "verify", "-", "--key", "/dev/null"],
}


@pytest.mark.parametrize(
    "args",
    [
        ["erasure", "show", "foo"],
        ["hold", "show", "foo"],
        ["get", "acme-eu", "foo", *READ],
    ],
)
def test_what_is_no_id_is_a_usage_error(line: CommandLine, args: list[str]) -> None:
    """For every kind of id."""
    code, error = line.error(*args)

    assert code == Exit.INVALID
    assert "text form" not in error["advice"]


@pytest.mark.parametrize("args", FAILING.values(), ids=FAILING)
def test_a_failing_command_names_its_page(line: CommandLine, args: list[str]) -> None:
    """As text and as JSON: no Python, and the page that documents the error."""
    text, (code, error) = line(*args, stdin="x"), line.error(*args, stdin="x")
    page = f"https://domicile.readthedocs.io/en/latest/errors/#{error['code'].lower()}"

    assert text.exit_code == code > 1
    assert error["page"] == page
    assert page in text.stderr
    assert python_names(f"{error['message']} {error['advice']}") == []
