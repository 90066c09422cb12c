"""The header ``Range``: one range of bytes (RFC 9110, section 14)."""

import re
from typing import Final

from storage.service.answers import ApiError

_ONE: Final = re.compile(r"(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})", re.ASCII)
_UNIT: Final = "bytes="


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte that is wanted and the one after the last. None: the whole.

    A unit other than bytes is ignored, as the RFC says. Raises ApiError (416) for several ranges,
    for what is none, and for one that has nothing of ``size`` bytes.
    """
    if header is None or not header.lower().startswith(_UNIT):
        return None
    found = _ONE.fullmatch(header[len(_UNIT) :].strip())
    if found is None or not (found["first"] or found["last"]):
        raise _unsatisfiable(size)
    if not found["first"]:
        start, stop = max(0, size - int(found["last"])), size
    else:
        start = int(found["first"])
        stop = min(size, int(found["last"]) + 1) if found["last"] else size
    if start >= stop:
        raise _unsatisfiable(size)
    return start, stop


def _unsatisfiable(size: int) -> ApiError:
    return ApiError(
        416,
        "invalid_range",
        "The file has no such range. Ask for one range of bytes, such as bytes=0-99.",
        param="Range",
        headers={"content-range": f"bytes */{size}"},
    )
