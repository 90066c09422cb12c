"""The page on the architecture says what the code says."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
_STEP = re.compile(r"^\| `(storage/[\w/]+\.py)` \| `([\w.]+)` \|", re.MULTILINE)


def _layers() -> list[set[str]]:
    """The packages of ``storage`` by layer, from the top."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for contract in config["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == ["storage"]:
            return [set(re.split(r" \| ", layer)) for layer in contract["layers"]]
    raise AssertionError("no contract about the layers of storage")


def _defined(file: str) -> set[str]:
    """The functions of a module, and the methods of its classes."""
    names = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names


def _imported(file: str) -> set[str]:
    """The modules that a module names in its imports."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _walk(name: str) -> list[str]:
    """The files of a walk, in its order."""
    section = re.split(r"^##+ ", PAGE.split(f"### The walk of {name}\n")[1], flags=re.MULTILINE)[0]
    return [file for file, _ in _STEP.findall(section)]


def test_the_walks_name_functions_that_exist() -> None:
    """A reader can follow them."""
    for file, function in _STEP.findall(PAGE):
        assert function in _defined(file), (file, function)


@pytest.mark.parametrize("name", ["a put", "a get"])
def test_the_walk_of_a_call_goes_down_only(name: str) -> None:
    """Each file is on the layer of the one before it or below, and imports none before it."""
    files = _walk(name)
    layers = _layers()
    depth = [
        next(n for n, packages in enumerate(layers) if file.split("/")[1] in packages)
        for file in files
    ]
    assert depth == sorted(depth)
    for n, file in enumerate(files):
        assert not _imported(file) & {_module(earlier) for earlier in files[:n]}, file


@pytest.mark.parametrize("name", ["a put", "a get", "an erasure", "an expired day"])
def test_every_file_of_a_walk_is_reached_from_one_before_it(name: str) -> None:
    """By an import, by the type of an opened region's part, or by the port of a backend.

    The worker starts anew, with its loop.
    """
    files = _walk(name)
    assert len(files) >= 6
    for n, file in enumerate(files[1:], start=1):
        known = set().union(*(_imported(earlier) for earlier in files[:n]))
        if "storage.region.OpenRegion" in known:
            known |= _imported("storage/region.py")
        if file.startswith("storage/backends/s3/"):
            assert "storage.ports.Backend" in _imported(files[n - 1])
        elif file != "storage/workers/loop.py":
            assert _module(file) in known, file


def test_every_package_is_on_the_map() -> None:
    """In the order of the layers."""
    table = PAGE.split("## The packages")[1].split("##")[0]
    rows = [
        re.findall(r"`storage\.(\w+)`", row.split("|")[1])
        for row in table.splitlines()[6:]
        if "|" in row
    ]
    shown = [name for row in rows for name in row]
    layers = _layers()
    assert set(shown) == set().union(*layers)
    depth = {name: n for n, packages in enumerate(layers) for name in packages}
    assert [depth[name] for name in shown] == sorted(depth[name] for name in shown)


def test_the_files_that_pages_name_exist() -> None:
    """In a page on how it is now. A decision record keeps the names of its time."""
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/howto").glob("*.md")]
    for page in [*pages, *ROOT.glob("*.md")]:
        text = page.read_text()
        for name in re.findall(r"`((?:storage|regions|tests|migrations)/[\w/]+(?:\.py|/)?)`", text):
            assert (ROOT / name).exists(), f"{page.name}: {name}"
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
            file = (page.parent / link).resolve()
            inside = page.is_relative_to(ROOT / "docs") and file.is_relative_to(ROOT / "docs")
            assert inside or file.exists(), f"{page.name}: {link}"  # MkDocs checks the others
        for target in re.findall(r"`make ([a-z-]+)", text):
            assert f"\n{target}: " in (ROOT / "Makefile").read_text(), f"{page.name}: {target}"
