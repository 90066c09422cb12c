"""The version of Domicile, and how it compares with the one that a topology needs."""

import re

VERSION = "0.1.0"

PATTERN = r"^\d{1,6}(\.\d{1,6}){0,2}$"
"""What a topology may state as the version that it needs."""


def is_older_than(required: str) -> bool:
    """Return whether this version comes before ``required``, which matches ``PATTERN``."""
    return _parts(VERSION) < _parts(required)


def _parts(version: str) -> tuple[int, ...]:
    """Return major, minor and patch; a pre-release counts as its release."""
    numbers = re.findall(r"\d+", re.split(r"[^\d.]", version)[0])[:3]
    return tuple(map(int, (*numbers, 0, 0)[:3]))
