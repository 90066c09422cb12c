"""Whether the code that runs is Domicile's own, with the packages that it asks for.

PyPI has other distributions that install a ``regions`` or a ``storage``. In one environment the
later of two overwrites files of the earlier, and nobody says so.
"""

import base64
import hashlib
import importlib.util
import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

from storage.cli.findings import Finding

NAMES = ("storage", "regions", "migrations")

_NEEDS = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*(?P<bounds>[^;]*)(;(?P<mark>.*))?")
_REPAIR = "Install Domicile alone into a new virtual environment."


def findings() -> Iterator[Finding]:
    """The interpreter, our three packages, and what they need."""
    yield Finding("versions", "python", "ok", platform.python_version())
    try:
        ours = metadata.distribution("domicile")
    except metadata.PackageNotFoundError:
        says = "It runs from a source tree and is not installed."
        yield Finding("packages", "domicile", "warn", says, "For development: make venv.")
        ours = None
    if ours is not None:
        yield Finding("versions", "domicile", "ok", ours.version)
        yield _requirements(ours)
    for name in NAMES:
        yield package(name, ours)


def package(name: str, ours: Distribution | None) -> Finding:
    """Where an import of that name leads, and whether that is ours."""
    found = _origin(name)
    if found is None:
        return Finding("packages", name, "fail", "It cannot be imported.", _REPAIR)
    root = _source_root(ours)
    if root is not None:
        if found.is_relative_to(root):
            return Finding("packages", name, "ok", f"{found.parent}")
        return _foreign(name, found)
    assert ours is not None
    if found != Path(str(ours.locate_file(f"{name}/__init__.py"))).resolve():
        return _foreign(name, found)
    changed = _changed(ours, name)
    if changed:
        says = f"{changed} of its files are not as installed: another package overwrote them."
        return Finding("packages", name, "fail", says, _REPAIR)
    return Finding("packages", name, "ok", f"{found.parent}")


def _foreign(name: str, found: Path) -> Finding:
    owners = sorted(set(metadata.packages_distributions().get(name, ())) - {"domicile"})
    whose = f", which belongs to {', '.join(owners)}" if owners else ""
    return Finding("packages", name, "fail", f"It is that of {found.parent}{whose}.", _REPAIR)


def _origin(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return Path(loaded.__file__).resolve() if loaded.__file__ else None
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None


def _source_root(ours: Distribution | None) -> Path | None:
    """The source tree that is used in place: not installed, or installed with ``pip -e``."""
    if ours is None:
        return Path(__file__).resolve().parents[2]
    direct = json.loads(ours.read_text("direct_url.json") or "{}")
    if not direct.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(direct["url"]).path)).resolve()


def _changed(ours: Distribution, name: str) -> int:
    """How many files of one of our packages are not what the installer wrote."""
    return sum(
        1
        for file in ours.files or ()
        if file.parts[0] == name
        and file.hash is not None
        and _digest(Path(str(file.locate())), file.hash.mode) != file.hash.value
    )


def _digest(path: Path, mode: str) -> str:
    if not path.exists():
        return ""
    raw = hashlib.new(mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _requirements(ours: Distribution) -> Finding:
    """Whether what the distribution asks for is there. ``pip check`` does more."""
    versions, wrong = [], []
    for line in ours.requires or ():
        asked = _NEEDS.fullmatch(line)
        if asked is None or "extra" in (asked["mark"] or ""):
            continue
        version = _version(asked["name"])
        versions.append(f"{asked['name']} {version or 'missing'}")
        if version is None or not fits(version, asked["bounds"]):
            wrong.append(f"{asked['name']} {version or 'is missing'} (needs {asked['bounds']})")
    if wrong:
        return Finding("versions", "dependencies", "fail", "; ".join(wrong), _REPAIR)
    return Finding("versions", "dependencies", "ok", ", ".join(versions))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def fits(version: str, bounds: str) -> bool:
    """Whether a version is within bounds of the form ``>=1.2,<2``; others are not judged."""
    have = _numbers(version)
    for bound in bounds.replace(" ", "").split(","):
        if bound.startswith(">=") and have < _numbers(bound[2:]):
            return False
        if bound.startswith("<") and not bound.startswith("<=") and have >= _numbers(bound[1:]):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
