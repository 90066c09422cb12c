"""Write the files of a topology with revisions, and of a new region."""

import re
import shutil
from argparse import Namespace
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import rev_id

from regions.fields import NAME
from regions.load import TopologyProblem, load_topology
from storage.catalog.shipped import folder
from storage.errors import InvalidRequest, TopologyError
from storage.migrating.declarations import LABEL, declarations
from storage.migrating.operations import RegionOperation, source_of
from storage.migrating.plugin import differences

DEPENDS_ON = "0016"
"""The revision of the schema with the table that says what declares a region."""

_INDENT = " " * 4


def new_topology(directory: Path) -> list[Path]:
    """Write a topology with revisions into a new directory: that of the example, to be changed.

    Return the files. Raises InvalidRequest if the directory is not empty or cannot be written.
    """
    advice = "Name a directory that does not exist yet."
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise InvalidRequest(f"{directory} is not empty.", advice=advice)
        return _write(directory)
    except OSError as error:
        why = error.strerror or type(error).__name__
        message = f"{directory} cannot be made or written: {why}."
        raise InvalidRequest(message, advice=advice) from error


def _write(directory: Path) -> list[Path]:
    """Write the files of a new topology, and return them."""
    shutil.copytree(_shipped("regions", "data"), directory, dirs_exist_ok=True)
    (directory / "versions").mkdir()
    template = _shipped("storage.migrating", "template")
    for source in template.rglob("*.in"):
        target = directory / source.relative_to(template).with_suffix("")
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text().replace("@schema@", _schema_location()))
    write_revision(directory, "Declare the regions", base=True)
    return sorted(path for path in directory.rglob("*") if path.is_file())


def add_region(directory: Path, name: str, toml: str) -> tuple[Path, Path]:
    """Write the file of a new region and the revision that declares it. Return both.

    Raises InvalidRequest if there is such a region, or no revisions, and TopologyError, before
    anything is written, if the topology with it would not be valid.
    """
    if re.match(NAME, name) is None:
        raise InvalidRequest(
            "The name of a region has 1 to 63 of a-z, 0-9 and hyphens.",
            advice="Use a name such as ap-south-1.",
        )
    file = directory / "regions" / f"{name}.toml"
    if file.exists():
        raise InvalidRequest(
            f"The region {name} exists.",
            advice=f"Change {file}, and write a revision: alembic revision --autogenerate",
        )
    if not (directory / "versions").is_dir():
        raise InvalidRequest(
            f"{directory} has no revisions.", advice="Make one that has: domicile topology new DIR"
        )
    file.write_text(toml)
    revision = None
    try:
        load_topology(directory)
        revision = write_revision(directory, f"Add {name}")
    except TopologyProblem as problem:
        raise TopologyError(problem.file, problem.key, problem.reason) from problem
    finally:
        if revision is None:
            file.unlink()
    return file, revision


def write_revision(directory: Path, message: str, *, base: bool = False) -> Path:
    """Write the revision that declares what the files of a topology say, and return its file."""
    script = ScriptDirectory.from_config(
        Config(directory / "alembic.ini", cmd_opts=Namespace(quiet=True))
    )
    operations = differences(declarations(script) or {}, load_topology(directory))
    written = script.generate_revision(
        rev_id(),
        message,
        head="base" if base else f"{LABEL}@head",
        branch_labels=LABEL if base else None,
        depends_on=DEPENDS_ON if base else None,
        version_path=str(directory / "versions"),
        upgrades=_lines(operations),
        downgrades=_lines([operation.reverse() for operation in reversed(operations)]),
        imports="",
    )
    assert written is not None
    return Path(written.path)


def _lines(operations: Iterable[RegionOperation]) -> str:
    return "\n".join(map(source_of, operations)).replace("\n", f"\n{_INDENT}")


def _shipped(package: str, folder: str) -> Path:
    """Return a folder of a package of ours."""
    return Path(str(files(package) / folder))


def _schema_location() -> str:
    """Return where Alembic finds our migrations: in the package, or beside it in a checkout."""
    found = folder()
    if found.parent.name == "storage":
        return "storage:migrations/versions"
    return str(found / "versions").replace("%", "%%")
