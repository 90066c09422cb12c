"""Every code block of the page about investigations is run, in order, from an empty directory."""

from pathlib import Path

import pytest

from tests.support.forkserver import quick_commands
from tests.support.pages import DOCS, check_page, directory

__all__ = ["directory"]


@pytest.mark.timeout(600)  # two dozen processes
def test_every_block_runs_in_order(directory: Path, tmp_path: Path) -> None:
    """From ``init`` to an opening under an approved grant, its report, and the proof of the log."""
    page = DOCS / "howto" / "open-for-an-investigation.md"
    with quick_commands(tmp_path) as commands:
        check_page(page, directory, commands)
