"""Every path that opens content needs a permit. This test reads the source to find those paths.

Only ``may_open`` mints a Permit; only the key ring unwraps, and it gives the key of a record out
against a permit alone. A function that decrypts content must be listed here.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import storage

ROOT = Path(storage.__file__).parent

OPENERS = {
    "packs/reader.py:decrypt": "with the key of an Opened, which open_with got against a permit",
    "packs/reader.py:metadata_of": "the same",
    "packs/reader.py:flags_of": "the same",
}
"""Functions that decrypt bodies or metadata, and how they come by the key."""

UNWRAPPERS = {
    "objects/keyring.py:_unwrap": "for a permit, or to compare a repeated put",
    "keyservice/local.py:unwrap_record": "for a person's permit, which it checks by itself",
    "keyservice/local.py:rewrap": "to wrap it again: it returns no plain key",
}
"""Functions that unwrap the key of a record."""

INSIDE = {"matches", "_unwrap_for"}
"""The methods of the key ring that unwrap. Only ``record_key`` gives a key away."""

DECRYPTS = {"open_body", "open_flags", "open_metadata", "open_range"}


@cache
def functions() -> dict[str, ast.FunctionDef]:
    """Every function of the package, by file and name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found[f"{file}:{node.name}"] = node
    return found


def calls(node: ast.AST) -> Iterator[str]:
    """Yield the name of each function or method that it calls."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            if isinstance(inner.func, ast.Name):
                yield inner.func.id
            elif isinstance(inner.func, ast.Attribute):
                yield inner.func.attr


def callers(*names: str) -> set[str]:
    """Return the functions that call one of these, but for where they are defined."""
    return {
        name
        for name, node in functions().items()
        if set(calls(node)) & set(names) and not name.startswith("crypto/")
    }


def test_what_decrypts_is_known() -> None:
    """Nothing else decrypts a body or metadata."""
    assert callers(*DECRYPTS) == set(OPENERS)


def test_only_the_key_ring_unwraps() -> None:
    """And in it only these methods do."""
    assert callers("unwrap_key") == set(UNWRAPPERS)
    inside = {n.partition(":")[2] for n in callers("_unwrap") if n.startswith("objects/keyring.py")}
    assert inside == INSIDE


def test_the_ring_gives_a_key_against_a_permit_alone() -> None:
    """``record_key`` is the only way out. Its permit must be for the record, and last till then."""
    node = functions()["objects/keyring.py:record_key"]
    asks, unwraps, returns = node.body[1:]

    assert "permit" in {argument.arg for argument in node.args.args}
    assert isinstance(asks, ast.If)
    assert isinstance(asks.body[0], ast.Raise)
    assert ast.unparse(asks.test) == "not permit.covers(row.tenant, row.id.unique)"
    assert ast.unparse(unwraps) == "key = self._unwrap_for(row, permit)"
    assert ast.unparse(returns) == (
        "return key if self._region.clock.now() < permit.until else None"
    )
    returning = {
        name
        for name, found in functions().items()
        if name.startswith("objects/keyring.py") and not found.name.startswith("_")
        if found.returns is not None and ast.unparse(found.returns).startswith("bytes")
    }
    assert returning == {"objects/keyring.py:record_key"}


def test_one_function_opens_what_is_permitted() -> None:
    """So nobody forgets that a permit ends while its key is fetched."""
    assert callers("record_key") == {"packs/reader.py:open_with"}
    assert {n for n in callers("Opened") if n.startswith(("packs/", "training/", "client/"))} == {
        "packs/reader.py:open_with"
    }


def test_nobody_reaches_into_the_ring() -> None:
    """``_open`` and ``_unwrap`` of the ring are called in its own module."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("_open", "_unwrap"):
                assert ast.unparse(node.value) == "self", path


def test_only_the_policy_mints_permits() -> None:
    """``may_open`` makes them; nothing copies one with other values."""
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Permit" or file == "policy/access.py", file
                if node.func.id == "replace" and node.args:
                    assert "permit" not in ast.unparse(node.args[0]).lower(), file
