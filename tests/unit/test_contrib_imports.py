"""What hooks into other people's software uses the public names alone."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2] / "storage" / "contrib"


def test_hooks_import_public_names_alone() -> None:
    """What they need, others need too."""
    found = {
        (path.name, node.module)
        for path in sorted(ROOT.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.startswith(("storage", "regions"))
        and node.module != "storage"
        and not node.module.startswith("storage.contrib")
    }
    assert found == set()


def test_none_is_imported_with_the_library() -> None:
    """Its dependency may not be there."""
    found = {
        path.relative_to(ROOT.parent)
        for path in sorted(ROOT.parent.rglob("*.py"))
        if ROOT not in path.parents and "storage.contrib" in path.read_text()
    }
    assert found == set()
