"""What the revisions of a topology declare, and whether that is what its files say."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from regions.canonical import region_of, region_text
from regions.model import Region, Topology
from storage.migrating.operations import RECORD, RegionOperation

LABEL = "topology"
"""The label of the branch whose revisions declare regions."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The newest revision that names a region, and the text that declares it, or did so last."""

    text: str
    retired: bool
    revision: str
    file: Path

    def without_file(self, region: str) -> CommandError:
        """Return the error for a region that it declares, and that has no file."""
        return CommandError(
            f"Revision {self.revision} declares {region}, and there is no regions/{region}.toml: "
            f"put it back, or retire the region. ({self.file})"
        )


Declarations = Mapping[str, Declaration]


@dataclass(frozen=True, slots=True)
class Sources:
    """The two places that say what a region is: revisions (None: none declares one), and files."""

    declared: Declarations | None
    topology: Topology | None

    def regions(self) -> dict[str, Region]:
        """Return the regions by name, also those that only revisions know."""
        declared = {name: region_of(each.text) for name, each in (self.declared or {}).items()}
        return declared | (self.topology.regions if self.topology is not None else {})

    def check(self, region: str) -> None:
        """Raise CommandError unless the newest revision that names a region agrees with its file.

        That is so if no revision declares any region.
        """
        if self.declared is None or self.topology is None:
            return
        newest, stated = self.declared.get(region), self.topology.regions.get(region)
        if newest is None or (newest.retired and stated is not None):
            raise CommandError(
                f"No revision declares {region}. "
                f"Run: alembic revision --autogenerate -m 'Add {region}'"
            )
        if newest.retired:
            return
        if stated is None:
            raise newest.without_file(region)
        if region_text(stated) != newest.text:
            raise CommandError(
                f"regions/{region}.toml is not what revision {newest.revision} declares. Run: "
                f"alembic revision --autogenerate -m 'Change {region}' ({newest.file})"
            )

    def check_files(self) -> None:
        """Raise CommandError if a region that is declared has no file."""
        for name, newest in (self.declared or {}).items():
            if not newest.retired and self.topology and name not in self.topology.regions:
                raise newest.without_file(name)


def declarations(script: ScriptDirectory) -> Declarations | None:
    """Return what the revisions declare, by region. None: no branch declares regions.

    Raises CommandError if a revision does not follow from the ones before it, or joins the branch
    with another one.
    """
    branch = [each for each in script.walk_revisions() if LABEL in each.branch_labels]
    if not branch:
        return None
    found: dict[str, Declaration] = {}
    for revision in reversed(branch):
        _check_parents(script, revision)
        for operation in _operations(revision):
            _follow(found, revision, operation)
    return found


def _check_parents(script: ScriptDirectory, revision: Script) -> None:
    """Raise CommandError if a revision merges the branch with another one."""
    parents = script.get_revisions(revision.down_revision or ())
    if any(LABEL not in parent.branch_labels for parent in parents):
        raise CommandError(
            f"Revision {revision.revision} joins the schema of Domicile with the revisions that "
            f"declare regions. Delete {revision.path}. "
            f"Two heads of regions are merged by: alembic merge {LABEL}@heads"
        )


def _operations(revision: Script) -> list[RegionOperation]:
    """Return the operations on regions of a revision, without a catalog."""
    found: list[RegionOperation] = []
    options = {"as_sql": True, "output_buffer": StringIO(), RECORD: found.append}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations.context(context):
        revision.module.upgrade()
    return found


def _follow(found: dict[str, Declaration], revision: Script, operation: RegionOperation) -> None:
    """Add an operation. Raises CommandError if the region is not as it says that it was."""
    before = found.get(operation.name)
    was = before.text if before is not None and not before.retired else None
    if operation.old != was:
        known = "it is declared" if operation.old is None else "it is not declared so"
        raise CommandError(
            f"Revision {revision.revision} cannot {operation.verb} {operation.name}: {known} "
            f"by the revisions before it. ({revision.path})"
        )
    text = operation.new or operation.old or ""
    retired = operation.new is None
    found[operation.name] = Declaration(text, retired, revision.revision, Path(revision.path))
