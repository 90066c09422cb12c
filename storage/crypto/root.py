"""Root keys in a file on this machine, one per region: the only secrets outside the stores.

The file is JSON: the region's name, and three sections of 32-byte keys in base64 by version (1 to
255, the highest is current): ``root`` wraps day keys, ``pseudonym`` makes pseudonyms, and
``signing`` has the Ed25519 seeds (RFC 8032) of receipts. Without the file the content of the region
is lost; with an old backup of it, the content that newer versions wrapped.

Where a key service holds the root keys, there are two files: its own has the section ``root``, and
that of the service the other two.
"""

import base64
import fcntl
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import KeyUnavailable, SettingsError
from storage.model import Entropy

Section = Literal["root", "pseudonym", "signing"]
SECTIONS: Final[tuple[Section, ...]] = ("root", "pseudonym", "signing")
"""What a key file has."""

OF_SERVICE: Final[tuple[Section, ...]] = ("pseudonym", "signing")
"""What the key file of a service has if its root keys are elsewhere."""

OF_KEY_SERVICE: Final[tuple[Section, ...]] = ("root",)
"""What the key file of a key service has."""

_Keys = dict[Section, dict[int, bytes]]

_SIZE: Final = 32  # bytes of every key
_NONCE: Final = 12  # bytes, random: a root key wraps many keys, but far fewer than 2**32
_WRAPPED: Final = 1 + _NONCE + _SIZE + 16  # version, nonce, key, tag


class LocalRootKeys:
    """The root keys of one region, from its key file. Safe to use from many threads.

    Implements ``storage.ports.RootKeys``. No ``repr`` and no error shows a key.
    """

    def __init__(self, region: str, keys: _Keys, entropy: Entropy) -> None:
        """Use ``load``. ``entropy`` gives the nonces of ``wrap``."""
        self.region = region
        self._keys = keys
        self._entropy = entropy

    @classmethod
    def load(
        cls,
        path: Path,
        entropy: Entropy,
        *,
        region: str,
        needs: Collection[Section] = SECTIONS,
        refuses: Collection[Section] = (),
    ) -> Self:
        """Read a key file. ``needs``: the sections that it must have; ``refuses``: must not have.

        Raises SettingsError if it is absent, open to other users, damaged, or of another region.
        """
        keys = _load(path, region)
        for section in needs:
            if section not in keys:
                raise SettingsError(
                    f"{path} has no {section} keys.",
                    advice="Give a key file that has, or say which key service holds them.",
                )
        for section in refuses:
            if section in keys:
                raise SettingsError(
                    f"{path} has {section} keys, which a key service holds: whoever takes over "
                    "this process would have them too.",
                    advice=f"Move them there: domicile key split {region} NEW_FILE",
                )
        return cls(region, keys, entropy)

    def __contains__(self, section: Section) -> bool:
        """Return whether the file has that section."""
        return section in self._keys

    def __repr__(self) -> str:
        versions = {section: sorted(keys) for section, keys in self._keys.items()}
        return f"LocalRootKeys(region={self.region!r}, versions={versions})"

    @property
    def current(self) -> int:
        return max(self._keys["root"])

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return 61 bytes: version, random nonce, AES-256-GCM of the key with AAD ``context``."""
        if len(key) != _SIZE:
            raise ValueError("keys have 32 bytes")
        version, nonce = self.current, _random(self._entropy, _NONCE)
        sealed = AESGCM(self._keys["root"][version]).encrypt(nonce, key, context)
        return bytes([version]) + nonce + sealed

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        if len(sealed) != _WRAPPED:
            raise KeyUnavailable("A wrapped key has the wrong size.")
        version, nonce, rest = sealed[0], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        root = self._keys["root"].get(version)
        if root is None:
            raise KeyUnavailable(
                f"The key file of {self.region} has no root key of version {version}.",
                advice="Restore the newest key file.",
            )
        try:
            return AESGCM(root).decrypt(nonce, rest, context)
        except InvalidTag as error:
            raise KeyUnavailable("The root key did not wrap this key for this use.") from error

    def pseudonym_keys(self) -> dict[int, bytes]:
        return dict(self._keys["pseudonym"])

    def signing_keys(self) -> dict[int, Ed25519PrivateKey]:
        """Return the keys that sign receipts, by version; the highest is for new ones."""
        seeds = self._keys["signing"].items()
        return {version: Ed25519PrivateKey.from_private_bytes(seed) for version, seed in seeds}


def create(
    path: Path, entropy: Entropy, *, region: str, sections: Collection[Section] = SECTIONS
) -> None:
    """Create a key file with a new key in each section, durably, readable by its owner alone.

    Never overwrites: of two processes that create it, one succeeds. Raises SettingsError if the
    file exists, or cannot be written.
    """
    _create(path, region, {section: {1: _random(entropy, _SIZE)} for section in sections})


def _create(path: Path, region: str, keys: _Keys) -> None:
    with _changing(path) as directory:
        temporary = _write_beside(path, _format(region, keys))
        os.link(temporary, path)  # unlike a rename, a link fails if the name exists
        temporary.unlink()
        os.fsync(directory)


def split(path: Path, target: Path, *, region: str) -> None:
    """Move the root keys of a key file to a new file, for a key service. The others stay.

    Safe to repeat after a crash in between: the new file may exist, with the same keys. Raises
    SettingsError as ``load`` does, or if the new file has other keys.
    """
    path = path.resolve()
    keys = _load(path, region)
    if "root" not in keys:
        raise SettingsError(f"{path} has no root keys.", advice="They were moved already.")
    moved: _Keys = {"root": keys.pop("root")}
    if not target.exists():
        _create(target, region, moved)
    if _load(target, region) != moved:
        raise SettingsError(f"{target} has other keys.", advice="Name a file that does not exist.")
    with _changing(path) as directory:
        _write_beside(path, _format(region, keys), owner=path.stat()).replace(path)
        os.fsync(directory)


def ensure(
    path: Path,
    entropy: Entropy,
    *,
    region: str,
    new: bool,
    sections: Collection[Section] = SECTIONS,
) -> Path | None:
    """Create the key file of a ``new`` catalog, and return it; None if it exists.

    Raises SettingsError if the keys of a used catalog are gone. Call it in the transaction that
    names the catalog: after a crash in between, the keys exist, and the next call uses them.
    """
    if path.exists():
        return None
    if not new:
        raise SettingsError(
            f"The catalog of {region} is in use, but its key file {path} is missing.",
            advice="Restore the file, or copy it from where init created the region. "
            "New keys cannot open what is stored.",
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    create(path, entropy, region=region, sections=sections)
    return path


def rotate(
    path: Path,
    entropy: Entropy,
    *,
    region: str,
    section: Section = "root",
    announce: Callable[[int], object] | None = None,
) -> int:
    """Add a version to a section, durably and atomically; return it. Older versions stay.

    ``announce`` is called with the version before the file is changed, and nobody else changes it
    in between: if it raises, nothing is rotated.

    A running process uses the keys that it read, and must be restarted: without the new root
    version it cannot open new day keys. A pseudonym version is used once ``init`` registered it in
    the catalog; from then on a process without it neither erases nor lists by name.
    Raises SettingsError as ``load`` does, or if all versions are used.
    """
    path = path.resolve()
    with _changing(path) as directory:
        keys = _load(path, region)
        if section not in keys:
            raise SettingsError(
                f"{path} has no {section} keys.",
                advice="Rotate them where they are: in the key file of the key service, or in KMS.",
            )
        version = max(keys[section]) + 1
        if version > 255:
            raise SettingsError(f"{path} has no version left in {section}.")
        if announce is not None:
            announce(version)
        keys[section][version] = _random(entropy, _SIZE)
        _write_beside(path, _format(region, keys), owner=path.stat()).replace(path)
        os.fsync(directory)
    return version


@contextmanager
def _changing(path: Path) -> Iterator[int]:
    """Lock the directory of the file for one change; yield its descriptor.

    Without the lock, the later of two rotations would remove the key that the earlier one added,
    and with it everything that the key wrapped. Also removes the temporary file of a change that
    was killed.
    """
    try:
        with _locked(path.parent) as directory:
            _beside(path).unlink(missing_ok=True)
            try:
                yield directory
            finally:
                _beside(path).unlink(missing_ok=True)
    except FileExistsError as error:
        advice = "Use it, or rotate it. A new file could not open what is stored."
        raise SettingsError(f"{path} exists already.", advice=advice) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _write_beside(path: Path, content: bytes, *, owner: os.stat_result | None = None) -> Path:
    """Write a temporary file in the same directory, durably, with mode 0600; return its path."""
    temporary = _beside(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - there is no path to open again
        if owner is not None and os.geteuid() == 0:  # root rotates for a service that must read it
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return temporary


def _load(path: Path, region: str) -> _Keys:
    parsed = _parse(_read(path))
    if parsed is None:
        raise SettingsError(f"{path} is not a key file.", advice="Restore it from its backup.")
    found, keys = parsed
    if found != region:
        raise SettingsError(
            f"{path} holds the keys of {found}, not of {region}.",
            advice="Give each region a key file of its own.",
        )
    return keys


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise SettingsError(
                    f"Other users can access {path}.",
                    advice=f"Run: chmod 600 {path}. If others could read it, rotate it too.",
                )
            return file.read()
    except FileNotFoundError as error:
        advice = "For a new region run domicile init; for one with content restore the file."
        raise SettingsError(f"The key file {path} does not exist.", advice=advice) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error


def _random(entropy: Entropy, size: int) -> bytes:
    data = entropy(size)
    if len(data) != size:
        raise ValueError("the random source returned too few bytes")
    return data


def _format(region: str, keys: _Keys) -> bytes:
    document: dict[str, object] = {"region": region}
    for section, versions in keys.items():
        encoded = {str(v): base64.b64encode(key).decode() for v, key in sorted(versions.items())}
        document[section] = encoded
    return (json.dumps(document, indent=2) + "\n").encode()


def _parse(content: bytes) -> tuple[str, _Keys] | None:
    """Return region and keys, or None. Raises nothing: errors of ``json`` contain the text."""
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or not _has_sections(set(document)):
            return None
        keys = {s: _parse_section(document[s]) for s in SECTIONS if s in document}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return str(document["region"]), keys


def _has_sections(names: set[str]) -> bool:
    own = names - {"region"}
    return "region" in names and own in ({*SECTIONS}, {*OF_SERVICE}, {*OF_KEY_SERVICE})


def _parse_section(versions: Mapping[str, str]) -> dict[int, bytes]:
    keys = {int(version): base64.b64decode(key, validate=True) for version, key in versions.items()}
    sound = all(len(key) == _SIZE for key in keys.values()) and all(1 <= v <= 255 for v in keys)
    if not keys or not sound or [str(version) for version in keys] != list(versions):
        raise ValueError("not a section of a key file")
    return keys
