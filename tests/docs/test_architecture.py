"""The page on the architecture says what the code says."""

import ast
import re
import tomllib
from pathlib import Path

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


def test_the_walk_of_a_put_names_functions_that_exist() -> None:
    """A reader can follow it."""
    steps = _STEP.findall(PAGE)
    assert len(steps) >= 6
    for file, function in steps:
        assert function in _defined(file), (file, function)


def test_the_walk_of_a_put_goes_down_only() -> None:
    """Each file is on the layer of the one before it or below, and imports none before it."""
    files = [file for file, _ in _STEP.findall(PAGE)]
    layers = _layers()
    depth = [
        next(n for n, packages in enumerate(layers) if file.split("/")[1] in packages)
        for file in files
    ]
    assert depth == sorted(depth)
    for n, file in enumerate(files):
        assert not _imported(file) & {_module(earlier) for earlier in files[:n]}, file


def test_every_file_of_the_walk_is_reached_from_one_before_it() -> None:
    """By an import, or, for a kind of backend, through the port that it implements."""
    files = [file for file, _ in _STEP.findall(PAGE)]
    for n, file in enumerate(files[1:], start=1):
        if file.startswith("storage/backends/s3/"):
            assert "storage.ports.Backend" in _imported(files[n - 1])
        else:
            assert any(_module(file) in _imported(earlier) for earlier in files[:n]), file


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
