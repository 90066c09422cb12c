"""A line of a log is a salted commitment: it binds to a text, and tells nothing of it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.commitments import MOST_TEXT, SALT, Opening, commit

SALTS = st.binary(min_size=SALT, max_size=SALT)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def test_the_format_does_not_change() -> None:
    """Computed here from its description, for the entry stays for as long as the log."""
    salt, text = bytes(range(32)), '{"kind":"hold_placed","matter":"2026-\u0394"}'
    digest = hashlib.sha256(b"domicile log line v1\x00" + salt + text.encode("utf-8"))

    assert commit(salt, text) == b"\x01" + digest.digest()
    assert Opening(salt, text).encode() == b"\x01" + salt + text.encode("utf-8")
    assert commit(salt, text).hex() == VECTOR


VECTOR = "0129361656f31db836501559476a7d8c8c8d6a9ec0aaf0bd6435c354043e037c37"


@given(SALTS, TEXTS, SALTS, TEXTS)
def test_one_entry_has_one_salt_and_one_text(a: bytes, b: str, c: bytes, d: str) -> None:
    """Whoever opens it otherwise is found out. All entries have one length."""
    assert (commit(a, b) == commit(c, d)) == ((a, b) == (c, d))
    assert len(commit(a, b)) == 33


@given(SALTS, TEXTS)
def test_an_opening_is_read_as_it_was_sent(salt: bytes, text: str) -> None:
    """And gives the same entry."""
    opening = Opening.parse(Opening(salt, text).encode())

    assert opening == Opening(salt, text)
    assert opening.entry == commit(salt, text)


def test_a_byte_does_not_move_between_salt_and_text() -> None:
    """Else one entry would have two texts."""
    for salt, text in ((bytes(31), "\0x"), (bytes(33), "x"), (b"", "x")):
        with pytest.raises(InvalidRequest, match="salt"):
            commit(salt, text)


@pytest.mark.parametrize(
    "text", ["", "x" * (MOST_TEXT + 1), "\u00e9" * (MOST_TEXT // 2 + 1), "\ud800"]
)
def test_a_text_that_no_line_has(text: str) -> None:
    """Empty, too long in bytes, or not Unicode."""
    with pytest.raises(InvalidRequest, match="text"):
        commit(bytes(SALT), text)


BROKEN = {
    "empty": b"",
    "a version": b"\x01",
    "another version": b"\x02" + bytes(32) + b"x",
    "no text": b"\x01" + bytes(32),
    "not UTF-8": b"\x01" + bytes(32) + b"\xff",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_opening_is_refused(data: bytes) -> None:
    """Whoever made the proof may have made it to do harm."""
    with pytest.raises(LogInvalid, match="does not open"):
        Opening.parse(data)
