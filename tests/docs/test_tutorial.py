"""Every code block of the tutorial is run, in order, from an empty directory."""

import sys
from pathlib import Path

import pytest

from tests.support.forkserver import quick_commands
from tests.support.pages import DOCS, check_page, directory

__all__ = ["directory"]


@pytest.mark.timeout(600)  # a dozen processes
def test_every_block_runs_in_order(directory: Path, tmp_path: Path) -> None:
    """Commands succeed, and print what the page shows."""
    with quick_commands(tmp_path) as commands:
        check_page(DOCS / "tutorial.md", directory, commands, Path(sys.executable).parent)
