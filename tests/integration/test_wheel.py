"""The wheel, installed beside a service that has packages of the same names."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from storage.catalog import shipped
from storage.catalog.engine import revision
from storage.errors import ConfigurationError
from storage.testing import Server
from tests.support.catalogs.databases import HOME, opened
from tests.support.pages import DOCS, check_page, directory

__all__ = ["directory"]

ROOT = Path(__file__).parents[2]
THEIRS = "raise SystemExit('ran the migrations of the service')"
SERVICE = """
import migrations
from storage.initialize import init
from storage.settings import load_settings

print(migrations.WHOSE, *init(load_settings()))
"""
ASKS = """
import sys
from storage import open_store
from storage.catalog.shipped import this_code

print(this_code(), "alembic" in sys.modules)
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and the packages that this one has besides."""

    wheel: Path
    bin: Path

    def run(
        self, folder: Path, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in a folder, with no settings but those given."""
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=folder,
            env={"PATH": os.environ["PATH"], **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it into a new environment, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(folder.glob("*.whl"))
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    flags = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *flags, str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    # no .pth file of that folder is read: the checkout stays invisible
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return Installed(wheel, python.parent)


def test_it_installs_two_packages(installed: Installed) -> None:
    """``storage`` and ``regions``: every file of ``migrations`` is inside of ``storage``."""
    names = set(ZipFile(installed.wheel).namelist())
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    files = [path for path in (ROOT / "migrations").rglob("*") if path.is_file()]
    ours = {
        f"storage/{path.relative_to(ROOT)}"
        for path in files
        if path.suffix != ".pyc" and path.name != "__init__.py"
    }

    assert packages == {"storage", "regions"}
    assert ours == {name for name in names if name.startswith("storage/migrations/")}


def test_init_beside_a_service_with_migrations_of_its_own(
    installed: Installed, domicile_server: Server, tmp_path: Path
) -> None:
    """``init`` runs ours, though the service's package is the first on ``sys.path``."""
    theirs = tmp_path / "service" / "migrations"
    (theirs / "versions").mkdir(parents=True)
    (theirs / "__init__.py").write_text("WHOSE = 'theirs'")
    for name in ("env.py", "versions/0010_catalog.py"):
        (theirs / name).write_text(THEIRS)
    (theirs.parent / "main.py").write_text(SERVICE)
    url = domicile_server._create(next(domicile_server._numbers))[HOME].get_secret_value()
    settings = {
        "DOMICILE_HOME": str(tmp_path / "home"),
        "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": url,
        "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(tmp_path / "keys.toml"),
    }

    ran = installed.run(theirs.parent, "python", "main.py", environment=settings)
    with opened(HOME, url) as connection:
        current = revision(connection)

    assert (ran.stdout, ran.stderr) == (f"theirs {HOME}\n", "")
    assert current == shipped.this_code().revision


def test_migrations_are_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the wheel's folder or the checkout's, and never in a service's own ``migrations``."""
    theirs, inside = tmp_path / "migrations", tmp_path / "storage" / "migrations"
    theirs.mkdir()
    (theirs / "env.py").touch()
    monkeypatch.setattr(shipped, "_STORAGE", tmp_path / "storage")

    with pytest.raises(ConfigurationError, match="Install Domicile again"):
        shipped.folder()
    shutil.copytree(ROOT / "migrations", inside)

    assert shipped.folder() == inside


def test_a_service_knows_which_schemas_it_works_with(installed: Installed, tmp_path: Path) -> None:
    """Without importing what runs migrations."""
    ran = installed.run(tmp_path, "python", "-c", ASKS)

    assert (ran.stdout, ran.stderr) == (f"{shipped.this_code()} False\n", "")


@pytest.mark.timeout(600)  # a dozen processes
def test_an_adopter_adds_a_region_with_the_wheel_alone(
    installed: Installed, directory: Path
) -> None:
    """The second tutorial: a topology of one's own, a region by a revision, moto, directories."""
    for name in ("alembic", "pytest"):  # their own scripts run in this environment
        module = "alembic.config" if name == "alembic" else name
        script = installed.bin / name
        script.write_text(f'#!/bin/sh\nexec "{installed.bin}/python" -m {module} "$@"\n')
        script.chmod(0o755)

    check_page(DOCS / "tutorial-region.md", directory, installed.bin)


@pytest.mark.parametrize(
    ("name", "symptom"),
    [
        ("regions", "ModuleNotFoundError: No module named 'regions."),
        ("storage", "ImportError: cannot import name 'Store' from 'storage'"),
    ],
)
def test_a_service_with_a_package_of_our_name(
    installed: Installed, tmp_path: Path, name: str, symptom: str
) -> None:
    """Python imports theirs instead of ours, and fails as docs/namespace.md shows."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()

    failed = installed.run(tmp_path, "python", "-c", "from storage import Store")

    assert symptom in failed.stderr
    assert symptom in (ROOT / "docs" / "namespace.md").read_text()
