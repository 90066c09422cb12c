"""All SQL of the project is in ``storage/catalog``."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "storage"
ELSEWHERE = ("catalog", "testing")
"""``testing`` does to a catalog what no process of a service does: it kills and drops."""

TYPES = {"Connection", "Engine", "Row", "Table"}
STATEMENTS = {"execute", "scalar", "scalars"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module that must have no SQL."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        if name.parts[0] not in ELSEWHERE:
            yield str(name), ast.parse(path.read_text())


def test_only_types_of_sqlalchemy_are_imported_elsewhere() -> None:
    """What builds a statement is imported in the catalog alone."""
    found = {
        (name, alias.name)
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        for alias in node.names
        if alias.name not in TYPES
    }
    assert found == set()


def test_no_statement_is_executed_elsewhere() -> None:
    """Not through the driver either."""
    found = {
        (name, node.func.attr)
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in STATEMENTS
    }
    assert found == set()
