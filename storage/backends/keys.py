"""What keys and ranges may be: one rule for all backends, so that tests on memory see it too."""

import re

LONGEST = 200
"""Bytes of a key. A directory puts a whole key into one file name (255), with something added."""

# Lower case: two keys must not be one file on a disk that ignores case. A part does not begin with
# a dot, so that no key climbs (`..`) or meets the files of a backend's own.
_PART = r"[a-z0-9_=-][a-z0-9._=-]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")


def checked(key: str) -> str:
    """The key itself. Raises ValueError, which does not show it, if no backend may have it."""
    if not is_key(key):
        raise ValueError("not a key: lower-case ASCII parts with '/' between, 200 bytes at most")
    return key


def is_key(text: str) -> bool:
    """Whether a backend may have something of that name."""
    return len(text) <= LONGEST and _KEY.fullmatch(text) is not None


def is_empty(start: int, stop: int | None) -> bool:
    """Whether there is nothing between them. Raises ValueError if they count from the end."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError("a range counts from the beginning of the object")
    return stop is not None and stop <= start
