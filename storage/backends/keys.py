"""The syntax of keys and ranges: one rule for all backends, memory included."""

import re

LONGEST = 200
"""The most bytes of a key. A directory backend puts a key and a suffix into a file name (255)."""

# Lower case: two keys must not be one file on a disk that ignores case. A part does not begin with
# a dot, so that no key is `..` or the name of a file of the backend itself.
_PART = r"[a-z0-9_=-][a-z0-9._=-]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")


def checked(key: str) -> str:
    """Return the key. Raises ValueError, which does not show it, if it is not valid."""
    if not is_key(key):
        raise ValueError("not a key: lower-case ASCII parts with '/' between, 200 bytes at most")
    return key


def is_key(text: str) -> bool:
    """Return whether the text is a valid key."""
    return len(text) <= LONGEST and _KEY.fullmatch(text) is not None


def is_empty(start: int, stop: int | None) -> bool:
    """Return whether the range is empty. Raises ValueError for negative offsets."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError("a range has no negative offsets")
    return stop is not None and stop <= start
