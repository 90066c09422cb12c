"""Pages of the documentation whose code blocks are run, in order, from an empty directory."""

import doctest
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage import embedded
from storage.testing.harness import memory_directory

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r'^```(?P<kind>\S*)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
_END = "---- end of a block ----"


@dataclass(frozen=True)
class Block:
    """A code block: ``sh`` is run, ``python`` is a file, ``text`` is what ``sh`` printed.

    ``sql`` is for a server that the reader of the page has, and is not run.
    """

    kind: str
    file: str | None
    text: str


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory that PostgreSQL may enter. It is another user if this is root."""
    made = Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory()))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def check_page(page: Path, directory: Path, *binaries: Path) -> None:
    """Run a page's blocks with the commands of an environment: each succeeds, and prints its text.

    The server stays up between them. ``binaries``: where commands are searched for first.
    """
    page_blocks = _blocks(page)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DOMICILE_")}
    environment["PATH"] = ":".join(map(str, (*binaries, environment["PATH"])))
    (directory / "data").mkdir(mode=0o700)
    _, leave = embedded.start(directory / "data/postgres")
    done = subprocess.run(
        ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", _script(page_blocks)],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    leave()

    assert done.returncode == 0, done.stdout + done.stderr
    printed = iter(done.stdout.split(f"{_END}\n"))
    last = ""
    for block in page_blocks:
        if block.kind == "sh":
            last = next(printed)
        elif block.kind == "text":
            same = doctest.OutputChecker().check_output(block.text, last, doctest.ELLIPSIS)
            assert same, f"expected:\n{block.text}\nprinted:\n{last}"


def _blocks(page: Path) -> list[Block]:
    found = [Block(m["kind"], m["file"], m["text"]) for m in _BLOCK.finditer(page.read_text())]
    for block in found:
        assert block.kind in {"sh", "python", "text", "sql"}, block
        assert (block.file is not None) == (block.kind == "python"), block
    return found


def _script(page: list[Block]) -> str:
    """Return one shell script that does what the page says."""
    parts = []
    for block in page:
        if block.kind == "python":
            parts.append(f"cat > {block.file} <<'END-OF-FILE'\n{block.text}END-OF-FILE\n")
        elif block.kind == "sh":
            parts.append(f"{block.text}echo '{_END}'\n")
    return "".join(parts)
