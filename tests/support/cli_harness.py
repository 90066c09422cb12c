"""A command line with its own Domicile, on a server that stays up between commands."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from storage import embedded
from storage.cli.app import app
from storage.testing.harness import memory_directory

READ = ("--purpose", "serve", "--actor", "chat")
"""How the tenant's own service reads."""

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CommandLine:
    """A command line with its own Domicile."""

    home: Path

    @property
    def environment(self) -> dict[str, str | None]:
        """Return the settings of the command, whatever the machine's are."""
        others = dict.fromkeys(name for name in os.environ if name.startswith("DOMICILE_"))
        return {**others, "DOMICILE_HOME": str(self.home)}

    def __call__(
        self,
        *args: str | Path,
        stdin: str | bytes | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> Result:
        """Run a command in this process."""
        given = self.environment | dict(environment or {})
        return CliRunner(env=given).invoke(app, [str(arg) for arg in args], input=stdin)

    def told(self, *args: str | Path, stdin: str | bytes | None = None) -> Any:  # noqa: ANN401
        """Return the --json output of a command that must succeed."""
        result = self(*args, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def error(self, *args: str | Path, stdin: str | None = None) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the --json error of a command that must fail."""
        result = self(*args, "--json", stdin=stdin)
        return result.exit_code, json.loads(result.stdout)["error"]

    def put(self, body: str, *args: str) -> str:
        """Put a prompt; return its id."""
        told = self.told("put", "acme-eu", "--class", "prompt", *args, stdin=body)
        return str(told["id"])


@pytest.fixture(scope="session")
def set_up() -> Iterator[Path]:
    """Return the directory of a Domicile with a tenant, whose server is stopped. It is copied."""
    # not below pytest's folder: as root, PostgreSQL runs as another user
    home = Path(tempfile.mkdtemp(prefix="dom-cli-", dir=memory_directory()))
    _, leave = embedded.start(home / "postgres")
    made = CommandLine(home)
    assert made("init").exit_code == 0
    ensure_tenant(made, "acme-eu", "eu-central-1", "EU")
    leave()
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def line(set_up: Path) -> Iterator[CommandLine]:
    """Return a command line whose Domicile is set up. The server stays up between commands."""
    home = Path(tempfile.mkdtemp(prefix="dom-cli-", dir=memory_directory()))
    subprocess.run(["/bin/cp", "-a", f"{set_up}/.", home], check=True)  # its owners too
    _, leave = embedded.start(home / "postgres")
    yield CommandLine(home)
    leave()
    shutil.rmtree(home, ignore_errors=True)


def ensure_tenant(line: CommandLine, tenant: str, home: str, residency: str, *more: str) -> None:
    """Make a tenant of the account ``acme``."""
    terms = ["--account", "acme", "--home", home, "--residency", residency, "--dpa", "2026-01-05"]
    assert line("tenant", "ensure", tenant, *terms, *more).exit_code == 0


def start_command(line: CommandLine, *args: str, **how: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
    """Start a command as a process."""
    environment = os.environ | line.environment
    return subprocess.Popen(
        [sys.executable, "-m", "storage.cli", *args],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **how,
    )
