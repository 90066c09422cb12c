"""The files that comments, docstrings and pages name exist."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOLDERS = ("benchmarks", "docs", "migrations", "regions", "storage", "tests")
_NAMED = re.compile(r"(?<![\w/.-])(?:docs|migrations|storage|tests)/[\w./-]+\.(?:md|py|sql)\b")
_LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")
_PAGES = ("CONTRIBUTING.md", "README.md", "SECURITY.md")


def _sources() -> Iterator[Path]:
    """The files that say how it is now. A decision record keeps the names of its time."""
    for folder in _FOLDERS:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".md", ".py", ".sql", ".toml"} and file.parent.name != "decisions":
                yield file
    yield from (ROOT / name for name in ("CONTRIBUTING.md", "Makefile", "README.md"))
    yield from (ROOT / name for name in ("SECURITY.md", "mkdocs.yml", "pyproject.toml"))


def test_the_files_that_are_named_exist() -> None:
    """So a reader can open them. ``NNNN`` stands for a number."""
    missing = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in _sources()
        for name in _NAMED.findall(file.read_text())
        if "NNNN" not in name and not (ROOT / name).exists()
    ]
    assert missing == []


def test_no_link_is_dead() -> None:
    """Also for those who read the repository, without the site."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in _PAGES)]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in _LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []
