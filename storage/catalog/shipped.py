"""The migrations that this code has, read as text: a service does not run them."""

import ast
from functools import cache
from pathlib import Path

from storage.errors import ConfigurationError
from storage.policy import Code, Kind, Migration

_STORAGE = Path(__file__).resolve().parents[1]
_FIRST = "0010_catalog.py"


def this_code() -> Code:
    """Return the version of this code. Raises ConfigurationError if it has no migrations."""
    return read(folder())


def folder() -> Path:
    """Return the folder of our migrations: inside ``storage`` in a wheel, beside it in a checkout.

    Only a path is safe. By name, Python finds the ``migrations`` of a service that has its own.
    """
    for found in (_STORAGE / "migrations", _STORAGE.parent / "migrations"):
        if (found / "versions" / _FIRST).is_file():
            return found
    raise ConfigurationError(
        f"The migrations of Domicile are not in {_STORAGE}: the installation is incomplete.",
        advice="Install Domicile again.",
    )


@cache
def read(migrations: Path) -> Code:
    """Return the version of the code that has the migrations of a folder."""
    found = [_stated(file) for file in (migrations / "versions").glob("[0-9]*.py")]
    return Code(tuple(sorted(found, key=lambda migration: migration.revision)))


def _stated(file: Path) -> Migration:
    """Return what a migration states of itself. A test checks that each one states it."""
    stated = {
        node.target.id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id in ("revision", "kind")
        and node.value is not None
    }
    return Migration(stated["revision"], Kind(stated["kind"]))
