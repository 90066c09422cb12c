"""Versions of the code as installations that differ in their migrations, also in synthetic ones."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.catalog import shipped
from storage.policy import Code, Kind, Migration

MIGRATIONS = Path(__file__).parents[3] / "migrations"
SHIPPED = shipped.read(MIGRATIONS)
KINDS = Kind.PRE, Kind.POST, Kind.PRE, Kind.BREAKING, Kind.POST
SYNTHETIC = tuple(
    Migration(f"{int(SHIPPED.revision) + n:04}", kind) for n, kind in enumerate(KINDS, 1)
)
ALL = Code((*SHIPPED.migrations, *SYNTHETIC))

_TEXT = '''"""Add a column that no code uses."""

from alembic import op

revision: str = "{revision}"
down_revision: str | None = "{before}"
kind: str = "{kind}"


def upgrade() -> None:
    op.execute("ALTER TABLE record ADD COLUMN later_{revision} text")


def downgrade() -> None:
    op.execute("ALTER TABLE record DROP COLUMN later_{revision}")
'''


@dataclass(frozen=True)
class Versions:
    """Installs versions of the code below a folder. All run the same code, that of today."""

    folder: Path
    patch: pytest.MonkeyPatch

    def install(self, revision: str) -> None:
        """From now on, what is opened or migrated has the migrations up to that one alone."""
        package = self.folder / revision / "storage"
        if not package.exists():
            versions = package / "migrations" / "versions"
            shutil.copytree(MIGRATIONS, package / "migrations")
            for file in versions.glob("[0-9]*.py"):
                if file.name[:4] > revision:
                    file.unlink()
            for migration in SYNTHETIC:
                if migration.revision <= revision:
                    (versions / f"{migration.revision}_later.py").write_text(_text(migration))
        self.patch.setattr(shipped, "_STORAGE", package)


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Return installations of a test's own; after it, this code has its own migrations again."""
    return Versions(tmp_path / "versions", monkeypatch)


def _text(migration: Migration) -> str:
    before = f"{int(migration.revision) - 1:04}"
    return _TEXT.format(revision=migration.revision, before=before, kind=migration.kind)


def works(code: str, schema: str) -> bool:
    """Tell from the meaning of the kinds alone whether code works with a schema."""
    lacks = [m for m in ALL.migrations if schema < m.revision <= code]
    gained = [m for m in ALL.migrations if code < m.revision <= schema]
    return all(m.kind is Kind.POST for m in lacks) and all(m.kind is Kind.PRE for m in gained)
