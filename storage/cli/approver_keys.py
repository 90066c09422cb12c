"""The key with which an approver signs: a file of its own, which nobody else reads."""

import base64
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.cli import files
from storage.cli.options import STDIN
from storage.errors import InvalidRequest

_LARGEST = 4096  # bytes of a key file


def make_key(path: Path) -> str:
    """Write a new private key to a new file of its owner alone. Return the public key to pin.

    Raise InvalidRequest if the file exists or cannot be written.
    """
    files.check_new(path, force=False)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.write_new(path, [pem], force=False)
    return public_key(key)


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the public key as text, in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raise InvalidRequest if it is none, or if others can read the file."""
    if str(path) == STDIN:
        raise InvalidRequest(
            "The key is not read from stdin: that it is yours alone shows in the mode of its file.",
            advice="Give the file: --key FILE. Make one: domicile grant keygen",
        )
    content = files.content(str(path), most=_LARGEST)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InvalidRequest("Others can read the key file.", advice="Run: chmod 600 on it.")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidRequest(
            "The file is not the private key of an approver.",
            advice="Make one: domicile grant keygen",
        )
    return key
