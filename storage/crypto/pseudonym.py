"""Pseudonyms: names of subjects and groups as the catalog stores them.

With pseudonyms the catalog finds all records of a subject without storing the name. A pseudonym is
still personal data: with the key, a guess of the name can be tested.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from storage.crypto.record import KEY_SIZE, framed
from storage.errors import InvalidRequest, SettingsError

Kind = Literal["subject", "group"]


class Pseudonyms:
    """Computes pseudonyms, under keys with versions. Safe to use from many threads.

    A pseudonym is 1 byte, the version of its key, and 32 bytes of HMAC-SHA256 (RFC 2104) over kind,
    tenant and name, each after its length. A name is its exact UTF-8 bytes, without normalization
    or change of case. A caller with two spellings of one name passes one of them.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        """``keys`` by version, 1 to 255; the highest is for new pseudonyms."""
        if not keys or not all(1 <= version <= 255 for version in keys):
            raise SettingsError("There is no pseudonym key, or its version is not 1 to 255.")
        if any(len(key) != KEY_SIZE for key in keys.values()):
            raise SettingsError("A pseudonym key does not have 32 bytes.")
        self._keys = dict(sorted(keys.items(), reverse=True))

    def __repr__(self) -> str:
        return f"Pseudonyms(versions={sorted(self._keys)})"

    def checks(self) -> dict[int, bytes]:
        """Return 32 bytes per version that identify the key, and do not disclose it.

        The catalog stores them: with other keys, the erasure of a subject would find no records.
        """
        return {v: self._make(v, b"domicile pseudonym key 1")[1:] for v in sorted(self._keys)}

    @property
    def versions(self) -> frozenset[int]:
        """The versions of the keys."""
        return frozenset(self._keys)

    @property
    def current(self) -> int:
        """The version of new pseudonyms."""
        return next(iter(self._keys))

    def of(self, tenant: str, kind: Kind, name: str) -> bytes:
        """Return the pseudonym to store: 33 bytes. Raises InvalidRequest for invalid text."""
        return self._make(self.current, _message(tenant, kind, name))

    def all(self, tenant: str, kind: Kind, name: str) -> list[bytes]:
        """Return every pseudonym of the name, newest first, for search and fences.

        Raises InvalidRequest for invalid text.
        """
        message = _message(tenant, kind, name)
        return [self._make(version, message) for version in self._keys]

    def id_secret(self) -> bytes:
        """Return the 32-byte key of the hash in ``RecordId.mint``. It discloses no pseudonym key.

        It is derived from the oldest key in the file: with the newest, a request repeated after a
        rotation would get another id, and be stored twice.
        """
        return hmac.digest(self._keys[min(self._keys)], b"domicile id secret 1", hashlib.sha256)

    def _make(self, version: int, message: bytes) -> bytes:
        return bytes([version]) + hmac.digest(self._keys[version], message, hashlib.sha256)


def _message(tenant: str, kind: Kind, name: str) -> bytes:
    exact = _exact(name)
    if exact is None:
        raise InvalidRequest("The name of a subject or group cannot be encoded as UTF-8.")
    return b"domicile pseudonym 1" + framed(kind.encode(), tenant.encode(), exact)


def _exact(name: str) -> bytes | None:
    """Return the bytes of a name, or None: the text of a UnicodeEncodeError has the name."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        return None
