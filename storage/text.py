"""Counts, sizes and suggestions as text for people."""

from collections.abc import Iterable
from difflib import get_close_matches

_NAMES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def format_size(count: int) -> str:
    """``2.1 KiB``."""
    amount, name = float(count), 0
    while amount >= 1024 and name < len(_NAMES) - 1:
        amount, name = amount / 1024, name + 1
    return f"{amount:.1f} {_NAMES[name]}" if name else f"{count} B"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 record``, ``2 records``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def visible(text: str, *, but: str = "") -> str:
    """Return a text that does nothing to a terminal, apart from the characters in ``but``."""
    return "".join(
        char if char.isprintable() or char in but else char.encode("unicode_escape").decode()
        for char in text
    )


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``Did you mean prompt?`` for the known name closest to ``given``, or an empty text.

    Case does not matter. It never repeats ``given``. ``cutoff``: how close, from 0 to 1.
    """
    names = {name.casefold(): name for name in known}
    close = get_close_matches(given.casefold(), names, 1, cutoff)
    return f"Did you mean {names[close[0]]}?" if close else ""
