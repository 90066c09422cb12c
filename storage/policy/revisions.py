"""Which code works with which schema of a catalog.

The revision of a schema is that of its last migration. The revision of code is that of the newest
migration that it has. So one series of numbers is for both, and code of revision 0012 is all code
that has no later migration.
"""

from dataclasses import dataclass
from enum import StrEnum

from storage.errors import CatalogUnsupported


class Kind(StrEnum):
    """When a migration is run: what it means for older code, and for code that has it."""

    PRE = "pre"  # older code works after it too; code that has it needs it
    POST = "post"  # older code does not work after it; code that has it works before it too
    BREAKING = "breaking"  # older code does not work after it; code that has it needs it


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: its revision, four digits, and its kind."""

    revision: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Code:
    """A version of the code, described by its migrations, the oldest first."""

    migrations: tuple[Migration, ...]

    @property
    def revision(self) -> str:
        """The revision of the code, and the newest schema that it knows."""
        return self.migrations[-1].revision

    @property
    def needs(self) -> str:
        """The oldest schema that it works with: it does not need the last ones of kind post."""
        required = [m.revision for m in self.migrations if m.kind is not Kind.POST]
        return max(required, default=self.migrations[0].revision)

    def knows(self, schema: str) -> bool:
        """Return whether it has the migration of that revision."""
        return any(m.revision == schema for m in self.migrations)

    def waiting(self, schema: str) -> str | None:
        """Return the newest migration if a catalog of that schema lacks it."""
        return self.revision if self.knows(schema) and schema != self.revision else None

    def supported(self, schema: str) -> int:
        """Return the oldest code that works with a schema that this code knows, as a number.

        0: all code.
        """
        ending = [m for m in self.migrations if m.kind is not Kind.PRE and m.revision <= schema]
        return int(ending[-1].revision) if ending else 0

    def reach(self, schema: str, through: str | None = None) -> str:
        """Return how far a catalog is migrated: until older code would not work with it.

        Migrations up to ``through`` are run all the same.
        """
        for migration in self.migrations:
            if migration.revision > schema:
                if migration.kind is not Kind.PRE and migration.revision > (through or ""):
                    break
                schema = migration.revision
        return schema


def check_schema(region: str, code: Code, schema: str, oldest_code: int) -> None:
    """Raise CatalogUnsupported unless code works with the schema of a region's catalog.

    ``oldest_code``: the oldest code that works with it, as the catalog states.
    """
    first = code.migrations[0].revision
    if schema < first:
        found = f"is at revision {schema}" if schema else "has no revision"
        raise CatalogUnsupported(
            f"The catalog of {region} {found}; this code needs {code.needs} or later.",
            advice=f"Revisions before {first} were never released. Run domicile init of the last "
            "commit that has them, then of this one.",
        )
    if schema < code.needs:
        raise CatalogUnsupported(
            f"The catalog of {region} is at revision {schema}; this code needs {code.needs}.",
            advice=_to_upgrade(code, schema),
        )
    check_supported(region, code, oldest_code)


def check_supported(region: str, code: Code, oldest_code: int) -> None:
    """Raise CatalogUnsupported if a migration ended the support of this code."""
    if int(code.revision) < oldest_code:
        raise CatalogUnsupported(
            f"The catalog of {region} supports code of revision {oldest_code:04} or later; "
            f"this code is {code.revision}.",
            advice="Deploy the version of Domicile that migrated it, or a later one.",
        )


def _to_upgrade(code: Code, schema: str) -> str:
    """Return what to do before code can work with an older schema."""
    if code.reach(schema) >= code.needs:
        return "Run: domicile init"
    until = f"{code.supported(code.needs):04}"
    return (
        f"Older code does not work after migration {until}. When no process of the region runs "
        f"code before {until}, run: domicile init --through {until}"
    )
