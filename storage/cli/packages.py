"""Check that the imported packages are Domicile's own. What goes wrong: docs/namespace.md."""

import base64
import hashlib
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from storage.cli.findings import Finding
from storage.errors import DOCUMENTATION

NAMES = ("storage", "regions")
_ROOT = Path(__file__).resolve().parents[2]
_PAGE = f"See {DOCUMENTATION}namespace/"


def findings() -> Iterator[Finding]:
    """Yield the versions of Python and Domicile, and a finding for each package."""
    yield Finding("versions", "python", "ok", platform.python_version())
    ours = next(iter(metadata.distributions(name="domicile")), None)
    says = ours.version if ours else "Not installed: runs from a source tree."
    yield Finding("versions", "domicile", "ok" if ours else "warn", says)
    for name in NAMES:
        yield package(name, (ours and ours.files) or (), Path.cwd())


def package(name: str, files: Sequence[metadata.PackagePath], folder: Path) -> Finding:
    """Report whether a package is ours, complete, and not hidden by another in ``folder``."""
    found = Path(str(sys.modules[name].__file__)).resolve().parent
    if found != _ROOT / name:
        return Finding("packages", name, "fail", f"{found} is not part of Domicile.", _PAGE)
    if changed := sum(_differs(file) for file in files if file.parts[0] == name):
        says = f"Another package overwrote {changed} of its files in {found}."
        return Finding("packages", name, "fail", says, _PAGE)
    hides = PathFinder.find_spec(name, [str(folder)])
    if hides and hides.origin and Path(hides.origin).resolve().parent != found:
        says = f"{hides.origin} hides it from a Python that starts in this directory."
        return Finding("packages", name, "warn", says, _PAGE)
    return Finding("packages", name, "ok", str(found))


def _differs(file: metadata.PackagePath) -> bool:
    """Return whether a file is missing, or not what the installer recorded."""
    path = Path(str(file.locate()))
    if file.hash is None or not path.is_file():
        return file.hash is not None
    digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value
