"""A region's database: connections, transactions, tenant locks, and checks of the server."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar

import psycopg
from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Connection,
    Engine,
    Select,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.catalog import tables as t
from storage.errors import (
    CatalogForbidden,
    CatalogUnavailable,
    CatalogUnsafe,
    CatalogUnsupported,
    DomicileError,
    SettingsError,
)

CODE_REVISION = 4
"""The revision of this code. A catalog states the range that it supports."""

OLDEST_SERVER = 18
"""The oldest major version of PostgreSQL that this code supports."""

OLDEST_REVISION = "0010"
"""The oldest revision of the schema that this code supports."""

T = TypeVar("T")

_DRIVER = "postgresql+psycopg"
_RETRIED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_ATTEMPTS = 5


class Catalog:
    """The database of one region.

    Every method raises CatalogUnavailable if it cannot reach the database, and CatalogForbidden if
    the login lacks a right.
    """

    def __init__(self, region: str, url: str, *, connections: int = 10) -> None:
        """``connections``: the most that this process opens to this database.

        Raises SettingsError if ``url`` is not a URL of PostgreSQL.
        """
        self.region = region
        # a caller that asks for the time may hold a connection: with one pool, all could block
        self._timing = _engine(_url(region, url), 1)
        self.engine = _engine(_url(region, url), max(1, connections - 1))
        self._watch: _Watch | None = None

    def watch(
        self, check: Callable[[Connection], None], clock: Callable[[], float], age: float
    ) -> None:
        """Begin every transaction with ``check``, which raises if the catalog must not be used.

        The check is skipped if it passed at most ``age`` seconds ago by ``clock``, and no
        connection was opened since.
        """
        self._watch = _Watch(check, clock, age)
        event.listen(self.engine, "connect", self._watch.reset)

    def strict(self) -> "Catalog":
        """Return the same catalog with the check in every transaction, for what destroys."""
        other = copy(self)
        if self._watch is not None:
            other.watch(self._watch.check, self._watch.clock, age=-1.0)
        return other

    def begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that is committed at the end of the block."""
        return self._begin(self.engine, self._watch)

    @contextmanager
    def _begin(self, engine: Engine, watch: "_Watch | None" = None) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                if watch is not None:
                    watch.run(connection)
                yield connection
        except SQLAlchemyError as error:
            refusal = _refusal(self.region, error)
            if refusal is None:
                raise
            raise refusal from error

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, and again after a deadlock: it must be repeatable."""
        for _ in range(_ATTEMPTS - 1):
            try:
                with self.begin() as connection:
                    return work(connection)
            except CatalogUnavailable as error:
                if not isinstance(_driver_error(error.__cause__), _RETRIED):
                    raise
        with self.begin() as connection:
            return work(connection)

    def clock_offset(self, local: Callable[[], float]) -> tuple[float, timedelta]:
        """Return the database's clock minus ``local`` (seconds since the epoch), and its error."""
        with self._begin(self._timing) as connection:
            connection.execute(text("SELECT 1"))
            before = local()
            there = connection.scalar(select(func.extract("epoch", func.clock_timestamp())))
            after = local()
        return float(there or 0) - (before + after) / 2, timedelta(seconds=(after - before) / 2)

    def check_safe(self) -> None:
        """Raise CatalogUnsafe or CatalogUnsupported unless a commit survives a crash."""
        with self.begin() as connection:
            check_server(self.region, int(connection.scalar(text("SHOW server_version_num"))))
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                if connection.scalar(text(f"SHOW {name}")) == "off":
                    raise CatalogUnsafe(
                        f"The catalog of {self.region} runs with {name}=off.",
                        advice="Turn it on: an acknowledged write must survive a crash.",
                    )

    def check(self) -> None:
        """Raise CatalogUnsafe or CatalogUnsupported unless this code can use the catalog.

        It must be safe, belong to this region, and support this revision of the code.
        """
        self.check_safe()
        with self.begin() as connection:
            if not connection.scalar(select(func.to_regclass("catalog_info").is_not(None))):
                raise CatalogUnsupported(
                    f"The catalog of {self.region} is empty.", advice="Run: domicile init"
                )
            c = t.catalog_info.c  # other revisions may lack the other columns
            info = connection.execute(select(c.region, c.oldest_code, c.newest_code)).one_or_none()
            revision = _revision(connection)
        if info is None:
            raise CatalogUnsupported(
                f"The catalog of {self.region} has no name yet.", advice="Run: domicile init"
            )
        if info.region != self.region:
            raise another(self.region, info.region)
        if not info.oldest_code <= CODE_REVISION <= info.newest_code:
            raise CatalogUnsupported(
                f"The catalog of {self.region} supports code {info.oldest_code} to "
                f"{info.newest_code}; this is {CODE_REVISION}.",
                advice="Run: domicile init, or deploy a matching version of the code.",
            )
        if revision < OLDEST_REVISION:
            raise outdated(revision)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()
        self._timing.dispose()


def _revision(connection: Connection) -> str:
    """Return the revision of the schema, empty if none is recorded."""
    if not connection.scalar(select(func.to_regclass("alembic_version").is_not(None))):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def check_server(region: str, version: int) -> None:
    """Raise CatalogUnsupported if the server is too old. ``version``: ``server_version_num``."""
    if version < OLDEST_SERVER * 10_000:
        raise CatalogUnsupported(
            f"The catalog of {region} is on PostgreSQL {version // 10_000}.",
            advice=f"Domicile needs PostgreSQL {OLDEST_SERVER} or later.",
        )


@dataclass(slots=True)
class _Watch:
    """A check that the catalog is still the same one, repeated when its result is too old."""

    check: Callable[[Connection], None]
    clock: Callable[[], float]
    age: float
    passed: float = float("-inf")

    def run(self, connection: Connection) -> None:
        """Check, unless the last check is recent."""
        now = self.clock()
        if now - self.passed > self.age:
            self.check(connection)
            self.passed = now

    def reset(self, *_: object) -> None:
        """Check next time: a new connection may reach another server."""
        self.passed = float("-inf")


def unavailable(region: str) -> CatalogUnavailable:
    """Return the error for a database that does not answer."""
    return CatalogUnavailable(
        f"The catalog of {region} does not answer.", advice="Try again; see: domicile doctor"
    )


def connection_failure(error: BaseException | None) -> str:
    """Return why there was no connection. libpq names host, user and database, never a password."""
    while error is not None:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return next((line.strip() for line in str(error).strip().splitlines()), "")
        error = error.__cause__
    return ""


def another(region: str, found: str) -> CatalogUnsupported:
    """Return the error for the catalog of another region."""
    return CatalogUnsupported(
        f"The catalog given for {region} is the catalog of {found}.",
        advice="Check the region's catalog_url.",
    )


def outdated(revision: str) -> CatalogUnsupported:
    """Return the error for a catalog that is older than the oldest migration."""
    found = f"is at revision {revision}" if revision else "has no revision"
    return CatalogUnsupported(
        f"A catalog {found}; this code needs {OLDEST_REVISION} or later.",
        advice=f"Revisions before {OLDEST_REVISION} were never released. Run domicile init of the "
        "last commit that has them, then of this one.",
    )


def disconnected(error: BaseException) -> bool:
    """Return whether an error leaves it unknown if a transaction was committed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        if isinstance(cause, OperationalError | InterfaceError):
            return True
        cause = cause.__cause__
    return False


def lock_number(tenant: str) -> int:
    """Return the number of a tenant's advisory lock: a signed 64-bit integer."""
    return int.from_bytes(hashlib.sha256(b"tenant\0" + tenant.encode()).digest()[:8], signed=True)


def share_tenants(connection: Connection, tenants: Iterable[str]) -> None:
    """Until the transaction ends, no erasure of these tenants commits a fence.

    The answer to a check in a *later* statement then stays true until the commit.
    """
    numbers = sorted({lock_number(tenant) for tenant in tenants})
    connection.execute(_share(), {"numbers": numbers})


@cache
def _share() -> Select[object]:
    given = func.unnest(bindparam("numbers", type_=ARRAY(BigInteger))).column_valued("number")
    return select(func.pg_advisory_xact_lock_shared(given))


def own_tenant(connection: Connection, tenant: str) -> None:
    """Until the transaction ends, no write of this tenant is announced or committed."""
    connection.execute(select(func.pg_advisory_xact_lock(lock_number(tenant))))


def _refusal(region: str, error: SQLAlchemyError) -> DomicileError | None:
    """Return our error for a failure of the database. None: the error is in our code."""
    cause = _driver_error(error)
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return CatalogForbidden(
            f"The login lacks a right on the catalog of {region}.",
            advice="Grant it the role for its work; migrations create the roles.",
        )
    down = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
    # after a failover, the old primary may be read only
    if down or isinstance(cause, psycopg.errors.ReadOnlySqlTransaction):
        return unavailable(region)
    return None


def _driver_error(error: BaseException | None) -> BaseException | None:
    """Return the error of the driver behind an error of SQLAlchemy."""
    return error.orig if isinstance(error, DBAPIError) else None


def _url(region: str, given: str) -> URL:
    url = None
    with suppress(ArgumentError, ValueError):  # a ValueError may quote the URL
        url = make_url(given)
    if url is None or url.drivername not in ("postgresql", _DRIVER):
        raise SettingsError(
            f"The catalog_url of {region} is not a URL of PostgreSQL.",
            advice="Give postgresql://user@host/database.",
        )
    return url.set(drivername=_DRIVER)


def _engine(url: URL, connections: int) -> Engine:
    # prepare_threshold: a prepared statement is session state, which breaks a transaction pooler
    # hide_parameters: an error must not bring keys or pseudonyms into a log
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"prepare_threshold": None, "connect_timeout": 5},
    )
