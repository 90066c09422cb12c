"""Names of subjects and groups, as the catalog stores them.

A pseudonym is still personal data: whoever has the key can test a guess. It lets the catalog find
everything about somebody without holding the name.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from storage.crypto.record import KEY_SIZE, framed
from storage.errors import InvalidRequest, SettingsError

Kind = Literal["subject", "group"]


class Pseudonyms:
    """Turns names into pseudonyms, under keys with versions. Safe to use from many threads.

    A pseudonym is 1 byte, the version of its key, and 32 of HMAC-SHA256 (RFC 2104) over kind,
    tenant and name, each after its length. A name is its exact UTF-8 bytes: no normalisation, no
    change of case. A caller that knows two spellings to be one name makes them one before.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        """``keys`` by version, 1 to 255; the highest is for new pseudonyms."""
        if not keys or not all(1 <= version <= 255 for version in keys):
            raise SettingsError("There is no pseudonym key, or one of an impossible version.")
        if any(len(key) != KEY_SIZE for key in keys.values()):
            raise SettingsError("A pseudonym key does not have 32 bytes.")
        self._keys = dict(sorted(keys.items(), reverse=True))

    def __repr__(self) -> str:
        return f"Pseudonyms(versions={sorted(self._keys)})"

    def checks(self) -> dict[int, bytes]:
        """By version, 32 bytes that tell one key from another and help nobody to compute with it.

        A catalog keeps them: under other keys than its own, an erasure of a subject finds nobody.
        """
        return {v: self._make(v, b"domicile pseudonym key 1")[1:] for v in sorted(self._keys)}

    @property
    def versions(self) -> frozenset[int]:
        """The versions that it knows."""
        return frozenset(self._keys)

    @property
    def current(self) -> int:
        """The version of new pseudonyms."""
        return next(iter(self._keys))

    def of(self, tenant: str, kind: Kind, name: str) -> bytes:
        """The pseudonym to store: 33 bytes. Raises InvalidRequest if the name is no text."""
        return self._make(self.current, _message(tenant, kind, name))

    def all(self, tenant: str, kind: Kind, name: str) -> list[bytes]:
        """Every pseudonym that the name may be stored under, newest first, for search and fences.

        Raises InvalidRequest if the name is no text.
        """
        message = _message(tenant, kind, name)
        return [self._make(version, message) for version in self._keys]

    def id_secret(self) -> bytes:
        """What keys the hash in ``RecordId.mint``: 32 bytes, of no use to compute a pseudonym.

        Derived from the oldest key that is kept: with the newest, a rotation would give a request
        that is tried again another id, and store it twice.
        """
        return hmac.digest(self._keys[min(self._keys)], b"domicile id secret 1", hashlib.sha256)

    def _make(self, version: int, message: bytes) -> bytes:
        return bytes([version]) + hmac.digest(self._keys[version], message, hashlib.sha256)


def _message(tenant: str, kind: Kind, name: str) -> bytes:
    exact = _exact(name)
    if exact is None:
        raise InvalidRequest("The name of a subject or group is not text that UTF-8 can write.")
    return b"domicile pseudonym 1" + framed(kind.encode(), tenant.encode(), exact)


def _exact(name: str) -> bytes | None:
    """The bytes of a name, or None. A UnicodeEncodeError would carry the name."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        return None
