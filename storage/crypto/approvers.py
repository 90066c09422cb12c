"""The pinned keys of approvers: a TOML file beside the keys of a region.

    [approvers]
    alice = "<an Ed25519 public key: 32 bytes in base64>"

The name is the actor's id in the roster. The file lies outside the catalog, and whoever changes the
catalog does not change who may approve. The service must not be able to write it.
"""

import base64
import binascii
import stat
import tomllib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.errors import SettingsError

_ADVICE = 'It has one table, [approvers], with lines like: alice = "<public key in base64>".'


def load_approvers(path: Path) -> dict[str, Ed25519PublicKey]:
    """Read the file. Raises SettingsError if it is absent, or not of this form."""
    try:
        said = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", advice=_ADVICE) from error
    except ValueError as error:  # also of what is no UTF-8
        raise SettingsError(f"{path} is not TOML.", advice=_ADVICE) from error
    named = said.get("approvers")
    if set(said) != {"approvers"} or not isinstance(named, dict):
        raise SettingsError(f"{path} does not list approvers.", advice=_ADVICE)
    return {actor: _key(path, actor, text) for actor, text in named.items()}


def other_writers(path: Path) -> str | None:
    """Return who can write the file, or replace it, besides its owner. None: nobody.

    Whoever can pins a key of his own, and then the file proves nothing.
    """
    modes = path.stat().st_mode
    for folder in (path.absolute().parent, path.resolve().parent):  # it may be a link
        mode = folder.stat().st_mode
        modes |= 0 if mode & stat.S_ISVTX else mode  # there only the owner replaces a file
    if modes & stat.S_IWOTH:
        return "everybody"
    return "its group" if modes & stat.S_IWGRP else None


def _key(path: Path, actor: str, text: object) -> Ed25519PublicKey:
    try:
        if not isinstance(text, str):
            raise ValueError("no text")  # noqa: TRY004, TRY301 - one error for all that is wrong
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise SettingsError(
            f"{path}: the key of {actor} is not an Ed25519 public key.", advice=_ADVICE
        ) from error
