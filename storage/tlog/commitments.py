"""Salted commitments: what a line says is not in the log, and can be proved and forgotten.

An entry is 33 bytes: a version, and the SHA-256 hash of a salt and a text. Who has both can show
that the log has that text, and no other. Once salt and text are deleted, the entry tells nothing:
without the salt, nobody can test a guess of the text against it.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from storage.errors import InvalidRequest, LogInvalid

SALT: Final = 32
"""How many bytes a salt has."""

COMMITMENT: Final = 33
"""How many bytes an entry has."""

MOST_TEXT: Final = 64 * 1024
"""How many bytes of UTF-8 a text has at most."""

_VERSION: Final = b"\x01"
_DOMAIN: Final = b"domicile log line v1\0"


@dataclass(frozen=True, slots=True)
class Opening:
    """The salt and the text of a line. A proof carries them as its extra data.

    The salt is 32 bytes from a secure random source, and is used once. Raises InvalidRequest if it
    has another length, or if the text is empty, not UTF-8 or above 64 KiB.
    """

    salt: bytes
    text: str

    def __post_init__(self) -> None:
        """Refuse what could be read as something else, or guessed."""
        if len(self.salt) != SALT:
            raise InvalidRequest(
                f"The salt of a line has {len(self.salt)} bytes instead of {SALT}."
            )
        try:
            length = len(self.text.encode())
        except UnicodeEncodeError as error:
            raise InvalidRequest("The text of a line is not Unicode.") from error
        if not 0 < length <= MOST_TEXT:
            raise InvalidRequest(
                f"The text of a line has {length} bytes instead of 1 to {MOST_TEXT}."
            )

    @property
    def entry(self) -> bytes:
        """Return the entry of the log that commits to them."""
        return _VERSION + hashlib.sha256(_DOMAIN + self.salt + self.text.encode()).digest()

    def encode(self) -> bytes:
        """Return them as they are sent: the version, the salt, the text in UTF-8."""
        return _VERSION + self.salt + self.text.encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what ``encode`` gave. Raises LogInvalid if it is something else."""
        if data[:1] != _VERSION:
            raise _no_opening("its version is not known here")
        try:
            return cls(data[1 : 1 + SALT], data[1 + SALT :].decode())
        except UnicodeDecodeError as error:
            raise _no_opening("its text is not UTF-8") from error
        except InvalidRequest as error:
            raise _no_opening("its salt or its text is cut, or too long") from error


def commit(salt: bytes, text: str) -> bytes:
    """Return the entry of a log that commits to a text, under a salt that is used once.

    Raises InvalidRequest as ``Opening`` does.
    """
    return Opening(salt, text).entry


def _no_opening(why: str) -> LogInvalid:
    return LogInvalid(
        f"This does not open a line of a log: {why}.",
        advice="Ask for the whole proof, without changes.",
    )
