"""Servers that are restored, set back or failed over with the commands of docs/recovery.md."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from storage import embedded
from storage.dependencies import Dependencies
from storage.errors import CatalogRestored, Erased
from storage.initialize import init
from storage.model import DataClass, Scope
from storage.settings import RegionSettings, Settings
from storage.testing import SERVICE, Domicile, FakeClock
from storage.testing.harness import memory_directory
from tests.support.actions import GONE, erase, get, is_complete, work
from tests.support.catalogs.backups import (
    binaries,
    give_to_server,
    recover_catalog,
    run_commands,
    server_user,
    use_catalog,
)
from tests.support.inspect.stored import HOME, wait_until

PROMPT = DataClass.PROMPT


class Machine:
    """A PostgreSQL server for one test, with a Domicile on it."""

    def __init__(self, home: Path) -> None:
        self.home = give_to_server(home)
        self.data = home / "pg"
        self.url, self._leave = embedded.start(self.data)
        self.servers = [self.data]
        place = RegionSettings(
            catalog_url=SecretStr(embedded.ensure_database(self.url, HOME)), keys_file=home / "keys"
        )
        settings = Settings(home=home / "domicile", regions={HOME: place})
        init(settings, dependencies=Dependencies(clock=lambda _: FakeClock()))
        self.domicile = Domicile(settings)
        self.domicile.open()

    def ask(self, statement: str, url: str = "") -> str:
        """Return one value from the server."""
        made = (url or self.url).replace("postgresql://", "postgresql+psycopg://", 1)
        engine = create_engine(made, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            done = connection.execute(text(statement))
            answer = str(done.scalar()) if done.returns_rows else ""
        engine.dispose()
        return answer

    def control(self, *arguments: str, data: Path | None = None) -> None:
        """Run ``pg_ctl`` on this server or another."""
        command = [
            str(binaries() / "pg_ctl"),
            "--wait",
            "--silent",
            f"--pgdata={data or self.data}",
        ]
        subprocess.run([*command, *arguments], check=True, user=server_user(), cwd="/")

    def start(self) -> None:
        """Start the server again, where it was."""
        self.control("start", "--log", str(self.data / "log"), "-o", f"-h '' -k {self.data}")

    def stop(self) -> None:
        """Stop the server."""
        self.control("stop", "--mode", "fast")

    def copy(self, source: Path, target: Path) -> None:
        """Copy a folder with its owner."""
        subprocess.run([shutil.which("cp") or "cp", "-a", source, target], check=True)

    def new(self, name: str) -> tuple[dict[str, object], str]:
        """Return the variables of the commands for a second server, and its URL."""
        data, sockets = self.home / name, give_to_server(self.home / f"{name}-sockets")
        self.servers.append(data)
        given = {"SERVER_URL": self.url, "NEW_DATA": data, "OPTIONS": f"-h '' -k {sockets}"}
        return given, self.url.replace(f"host={self.data}", f"host={sockets}")

    def move(self, url: str) -> None:
        """Point the region's settings at another server."""
        self.domicile.stack.close()
        use_catalog(self.domicile, embedded.with_database(url, HOME))

    def close(self) -> None:
        """Stop all servers."""
        self.domicile.close()
        for data in self.servers:
            with suppress(subprocess.CalledProcessError):  # it may be stopped, or was never started
                self.control("stop", "--mode", "immediate", data=data)
        self._leave()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A server that the test may restart and set back."""
    # not under pytest's own folder: PostgreSQL runs as another user when we are root
    home = Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory()))
    home.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        made = Machine(home)
        stack.callback(made.close)
        yield made


def test_a_server_that_is_set_back_in_its_place(machine: Machine) -> None:
    """Server, timeline and tables are the same. The ledger shows it; running processes notice."""
    domicile = machine.domicile
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    machine.stop()
    snapshot = machine.home / "snapshot"
    machine.copy(machine.data, snapshot)
    machine.start()
    erasure = erase(t)
    machine.stop()
    shutil.rmtree(machine.data)
    machine.copy(snapshot, machine.data)
    machine.start()

    with pytest.raises(CatalogRestored, match="the ledger or the log has entries"):
        get(t, mine)
    with pytest.raises(CatalogRestored):
        domicile.run_worker()
    with pytest.raises(CatalogRestored):
        domicile.open()
    report = recover_catalog(domicile)

    assert (report.changed, report.events) == ((), 1)
    with pytest.raises(Erased):
        get(domicile.store.tenant("acme-eu").bind(SERVICE), mine)
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)


def test_a_standby_that_lags(machine: Machine) -> None:
    """Promoted, it has another timeline, and lacks the last erasure and the last put."""
    domicile = machine.domicile
    t = domicile.tenant()
    mine, kept = (t.put(PROMPT, b"mine", subject=name).id for name in ("u", "kept"))
    names, there = machine.new("standby")
    run_commands("standby", names)
    erase(t, Scope.subject("somebody else"))
    written = machine.ask("SELECT pg_current_wal_lsn()")
    caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
    wait_until(lambda: machine.ask(caught_up, there) == "True")
    machine.ask("ALTER SYSTEM SET primary_conninfo = ''", there)
    machine.ask("SELECT pg_reload_conf()", there)
    connected = "SELECT count(*) FROM pg_stat_wal_receiver"
    wait_until(lambda: machine.ask(connected, there) == "0")
    erasure = erase(t)
    t.put(PROMPT, b"lost", subject="u")
    machine.stop()

    run_commands("promote", names)
    machine.move(there)
    with pytest.raises(CatalogRestored, match="its timeline changed"):
        domicile.open()
    report = recover_catalog(domicile)

    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    assert get(t, kept) == b"mine"
    with pytest.raises(GONE):
        get(t, mine)
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert (report.events, report.missing, sum(report.orphaned.values())) == (1, 0, 1)


def test_a_restore_to_a_moment(machine: Machine) -> None:
    """From a base backup and WAL: later records are lost, and no erasure is."""
    domicile = machine.domicile
    t = domicile.tenant()
    backup = give_to_server(machine.home / "backup")
    give_to_server(backup / "wal")
    names, there = machine.new("fresh")
    names["BACKUP"] = backup
    run_commands("archive", names)
    machine.stop()
    machine.start()
    mine = t.put(PROMPT, b"mine", subject="u").id
    run_commands("base", names)
    kept = t.put(PROMPT, b"after the base backup").id
    moment = datetime.fromisoformat(machine.ask("SELECT clock_timestamp()"))
    erasure = erase(t)
    machine.ask("SELECT pg_switch_wal()")
    machine.stop()

    run_commands("moment", names | {"MOMENT": moment.isoformat()})
    machine.move(there)
    wait_until(lambda: machine.ask("SELECT pg_is_in_recovery()", there) == "False")
    with pytest.raises(CatalogRestored, match="its timeline changed"):
        domicile.open()
    report = recover_catalog(domicile)

    assert (report.events, report.lost_records) == (1, 0)
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    assert get(t, kept) == b"after the base backup"
    with pytest.raises(Erased):
        get(t, mine)
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
