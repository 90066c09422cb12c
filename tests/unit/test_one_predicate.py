"""Every path that destroys asks one predicate. This test reads the source to find those paths.

A function that marks anything for purge, deletes rows of content, drops a partition, purges a
backend or asks a processor to delete must call ``may_destroy``, or take its answer as an argument
and demand it. A new function of this kind must be listed here, and must ask.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import storage

ROOT = Path(storage.__file__).parent

ASKS = {
    "catalog/objects.py:mark_for_purge",  # objects, and with them keys
    "catalog/deletions.py:_delete_page",
    "catalog/deletions.py:delete_released",
    "catalog/days.py:drop_partition",
    "workers/request_deletion.py:_confirmation",
    "workers/scrub/repair.py:_orphan",
    "workers/purge.py:_purge_one",
}
"""Functions that destroy content, and ask."""

OTHERWISE = {
    "catalog/objects.py:record_results": "a replica that its backend has not acknowledged",
    "catalog/objects.py:mark_corrupt": "a replica with bad bytes, of an object that has good ones",
    "catalog/departures.py:mark_moved": "a replica of an object that was read elsewhere",
    "catalog/relocation.py:move_to_held": "the same transaction inserts the rows elsewhere",
    "catalog/relocation.py:restore_held_rows": "the same, in a restored catalog",
    "catalog/scrubs.py:purge_again": "a purged replica that came back",
    "backends/probing.py:purged": "a canary",
    "objects/control.py:_discard": "a control, which is a canary",
}
"""Functions that look alike but destroy no record. Their bytes go through ``_purge_one``."""

CONTENT = {"record", "file", "held"}
WRAPPERS = {"backends/health.py", "testing/faults.py"}  # they pass calls on


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function of the package, by file and name."""
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield f"{file}:{node.name}", node


def destroys(function: ast.FunctionDef) -> bool:
    """Whether the function destroys anything."""
    nodes = list(ast.walk(function))
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    docstring = ast.get_docstring(function, clean=False)
    statements = [text for text in texts if text != docstring]
    return (
        any(
            _purges(c) or _asks_back(c) or _deletes_content(c) or _marks_for_purge(c) for c in calls
        )
        or any("DROP TABLE" in text or "DETACH PARTITION" in text for text in statements)
        or any("DELETE FROM" in text or "TRUNCATE" in text for text in statements)
    )


def _purges(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr == "purge" and len(call.args) == 1


def _asks_back(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr == "request_deletion"


def _deletes_content(call: ast.Call) -> bool:
    """Match ``t.record.delete()`` and ``table.delete()``: tables that may have content."""
    assert isinstance(call.func, ast.Attribute)
    of = call.func.value
    if call.func.attr != "delete" or call.args:
        return False
    return isinstance(of, ast.Name) or (isinstance(of, ast.Attribute) and of.attr in CONTENT)


def _marks_for_purge(call: ast.Call) -> bool:
    """Match ``.values(state=...PURGING)``."""
    assert isinstance(call.func, ast.Attribute)
    given = {ast.unparse(k.value) for k in call.keywords if k.arg == "state"}
    purging = {"ObjectState.PURGING", "ReplicaState.PURGING"}
    return call.func.attr == "values" and bool(given & purging)


def asks(function: ast.FunctionDef) -> bool:
    """Whether it calls ``may_destroy``, or demands the decision that it is given."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "may_destroy":
                return True
            if (
                isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func) == "destruction.demand"
            ):
                return "destruction" in {argument.arg for argument in function.args.args}
    return False


@cache
def ours() -> dict[str, ast.FunctionDef]:
    """Return the functions of Domicile itself that destroy."""
    mine = {name: node for name, node in functions() if destroys(node)}
    skipped = (*WRAPPERS, "testing/")
    return {name: node for name, node in mine.items() if not name.startswith(skipped)}


def test_what_destroys_is_known() -> None:
    """The lists above are complete, and name no function that is gone."""
    assert set(ours()) == ASKS | OTHERWISE.keys()


@pytest.mark.parametrize("name", sorted(ASKS))
def test_what_destroys_asks(name: str) -> None:
    """Within the function itself."""
    assert asks(ours()[name])


def test_only_the_policy_decides() -> None:
    """Only the policy makes a Destruction, and no caller passes a constant for ``held``."""
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        if file.startswith("testing/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Destruction" or file == "policy/erasure.py", file
                if node.func.id == "may_destroy":
                    (held,) = [k.value for k in node.keywords if k.arg == "held"]
                    assert not isinstance(held, ast.Constant), file
