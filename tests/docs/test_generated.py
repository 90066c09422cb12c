"""The pages that are generated say what a reader needs."""

import re

from docs.hooks import ROOT, cli_page, kept, settings_page


def test_every_command_in_a_list_has_a_whole_sentence() -> None:
    """Typer cuts its help off."""
    listed = re.findall(r"^\* `([a-z]+)`: (.*)$", cli_page(), re.MULTILINE)

    assert len(listed) > 30
    for command, sentence in listed:
        assert re.fullmatch(r"[A-Z].*[^.]\.", sentence), (command, sentence)


def test_the_parts_of_a_setting_are_required_together() -> None:
    """None of them is, if there is no such region or backend in the settings."""
    rows = [row for row in settings_page().splitlines() if "required" in row]

    assert len(rows) == 10
    assert all("| required together |" in row for row in rows)


def test_the_pages_that_are_checked_in_are_current() -> None:
    """Those who read the repository find them, as the code is now."""
    for path, page in kept().items():
        there = (ROOT / "docs" / path).read_text()
        assert there == page().rstrip("\n") + "\n", f"{path} is old. Run: make reference"
