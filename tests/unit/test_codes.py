"""What a line of the log says of people and cases are codes: in code, and in SQL alike."""

from pathlib import Path

import pytest

import migrations.versions
from storage.model.codes import CODE, as_code, is_code

CODES = (
    *("a", "CASE-7", "kim", "auth0|5f7c8eab", "00u1abcd", "arn:aws:iam::1:user/kim", "EU"),
    *("0199c9d3-0000-7000-8000-000000000000", "v" * 64),
)
OTHERS = (
    *("", " ", "Jane Doe", "jane@example.com", "It was Jane Doe.", "-x", ".x", "x" * 65),
    *("Jörg", "a\n", "a\tb", "x\0", "a'b", 'a"b', "a,b", "\u202e", "\uff11"),
)


@pytest.mark.parametrize("code", CODES)
def test_ids_and_references_are_codes(code: str) -> None:
    """A line shows them as they are."""
    assert is_code(code)
    assert as_code(code) == code


@pytest.mark.parametrize("other", OTHERS, ids=ascii)
def test_names_addresses_and_sentences_are_none(other: str) -> None:
    """A line shows a digest of them, which is a code."""
    assert not is_code(other)
    shown = as_code(other)
    assert is_code(shown)
    assert not set(other.split()) & {shown}
    assert as_code(other) == shown


def test_the_catalog_has_the_same_pattern() -> None:
    """It asks it of each new row."""
    assert migrations.versions.__file__ is not None
    sql = Path(migrations.versions.__file__).with_name("0036_codes_in_lines.sql").read_text()
    assert sql.count(f"~ '^{CODE.pattern}$'") == 1
