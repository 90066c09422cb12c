"""Changelog fragments have one form, and are printed by kind."""

import pytest

from changelog.collect import UNRELEASED, Fragment, collect, parse


def test_every_fragment_has_the_form_of_the_template() -> None:
    """A title with a kind, an empty line, and what was and what is now."""
    for file in UNRELEASED.iterdir():
        assert file.suffix == ".md", file
        fragment = parse(file.read_text())
        assert len(fragment.title) <= 80, file
        assert fragment.body.count(". ") + fragment.body.count(".\n") >= 1, f"two sentences: {file}"


@pytest.mark.parametrize(
    "text",
    [
        "No kind at all\n\nIt was. It is.\n",
        "Improved: a kind that there is not\n\nIt was. It is.\n",
        "Added: a title with a full stop.\n\nIt was. It is.\n",
        "Added: no body\n",
        "Added: no empty line\nIt was. It is.\n",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    """So a mistake is seen before the release."""
    with pytest.raises(ValueError, match="TEMPLATE"):
        parse(text)


def test_fragments_are_printed_by_kind_and_title() -> None:
    """In the order of Keep a Changelog."""
    fragments = [
        Fragment("Fixed", "a leak", "It leaked.\nIt does not."),
        Fragment("Added", "b", "B."),
        Fragment("Added", "a", "A."),
    ]

    assert collect(fragments) == (
        "### Added\n\n- **A.** A.\n- **B.** B.\n\n"
        "### Fixed\n\n- **A leak.** It leaked.\n  It does not.\n"
    )
