"""Codes: what lines of the log say of people, companies and cases. No names, and no sentences."""

import hashlib
import re
from typing import Final

LONGEST_CODE: Final = 64
"""How many characters a code has at most."""

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/|-]{0,63}")
"""Ids of identity providers, such as ``auth0|5f7c8e``; no spaces and no ``@``."""

CODE_ADVICE: Final = (
    f"Use 1 to {LONGEST_CODE} of the characters A-Z a-z 0-9 . _ : / | -, with a letter or digit "
    "first. It is in the log for ever: take an opaque id, and no name or e-mail address."
)


def is_code(text: str) -> bool:
    """Return whether a text is a code."""
    return CODE.fullmatch(text) is not None


def as_code(text: str) -> str:
    """Return a code as it is, and the SHA-256 of any other text: of it a line shows no more."""
    if is_code(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
