"""A region's database: connections, transactions, tenant locks, and checks of the server."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TypeVar

import psycopg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Engine,
    RootTransaction,
    Select,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from storage.catalog import tables as t
from storage.catalog.address import resolve
from storage.catalog.connections import TIMES, canceled_after, make_engine
from storage.catalog.refusals import driver_error, refusal
from storage.catalog.shipped import this_code
from storage.catalog.times import SERVE, WORK, Times
from storage.errors import CatalogUnavailable, CatalogUnsafe, CatalogUnsupported, InvalidRequest
from storage.policy import check_schema

OLDEST_SERVER = 18
"""The oldest major version of PostgreSQL that this code supports."""

T = TypeVar("T")

_RETRIED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_ATTEMPTS = 5
_CHECKED = "checked"  # the key in the ``info`` of a connection whose server passed the check


class Catalog:
    """The database of one region.

    Every method raises CatalogUnavailable if it cannot reach the database, and CatalogForbidden if
    the login lacks a right.
    """

    def __init__(
        self,
        region: str,
        url: str,
        *,
        connections: int = 10,
        hosts: Collection[str] = (),
        times: Times = SERVE,
    ) -> None:
        """``connections``: the most that this process opens to this database.

        ``hosts``: those that the topology lists. ``times``: the limits of each transaction.

        Raises SettingsError if ``url`` is not a URL of PostgreSQL, or if what it leads to is not
        protected: see ``address.resolve``. Raises ConfigurationError if the code has no migrations.
        """
        self.region = region
        self.times = times
        self.code = this_code()
        self._process = os.getpid()
        address = resolve(region, url, hosts=hosts, environment=os.environ)
        self.protection = address.protection
        # a caller that asks for the time may hold a connection: with one pool, all could block
        self._timing = make_engine(address, 1)
        self.engine = make_engine(address, max(1, connections - 1))
        self._watch: _Watch | None = None

    def watch(
        self, check: Callable[[Connection], None], clock: Callable[[], float], age: float
    ) -> None:
        """Begin every transaction with ``check``, which raises if the catalog must not be used.

        The check is skipped if it passed at most ``age`` seconds ago by ``clock``, and once on the
        same connection.
        """
        self._watch = _Watch(check, clock, age)

    def within(self, times: Times) -> "Catalog":
        """Return the same catalog with other limits."""
        other = copy(self)
        other.times = times
        return other

    def strict(self) -> "Catalog":
        """Return the same catalog for workers: their limits, the check in every transaction."""
        other = self.within(WORK)
        if self._watch is not None:
            other.watch(self._watch.check, self._watch.clock, age=-1.0)
        return other

    def begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that is committed at the end of the block."""
        return self._begin(self.engine, self._watch)

    def begin_unwatched(self) -> AbstractContextManager[Connection]:
        """Begin a transaction without the check of ``watch``."""
        return self._begin(self.engine)

    @contextmanager
    def _begin(self, engine: Engine, watch: "_Watch | None" = None) -> Iterator[Connection]:
        with self._refusing(), _begun(engine, self.times) as (connection, transaction), transaction:
            if watch is not None:
                watch.run(connection)
            yield connection

    def look(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which only reads, each statement in a transaction of its own.

        It runs again, once, if the connection was lost: so it must be repeatable. The client ends
        what takes longer than a statement may.
        """
        with self._refusing():
            try:
                return self._looked(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            return self._looked(work)

    def _looked(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            connection.info[TIMES] = replace(self.times, alone=True)
            with connection.begin():
                if self._watch is not None:
                    self._watch.run(connection)
                return work(connection)

    def execute_alone(self, statement: str, seconds: float) -> None:
        """Execute a statement that cannot run in a transaction; cancel it after that time."""
        times = Times(lock=None, statement=seconds, idle=None)
        with self._refusing(), _begun(self.engine, times) as (connection, transaction):
            transaction.rollback()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            with canceled_after(connection, seconds):
                connection.execute(text(statement))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn errors of the driver into ours."""
        check_process(self._process)
        try:
            yield
        except SQLAlchemyError as error:
            refused = refusal(self.region, error)
            if refused is None:
                raise
            raise refused from error

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, and again after a deadlock: it must be repeatable."""
        for _ in range(_ATTEMPTS - 1):
            try:
                with self.begin() as connection:
                    return work(connection)
            except CatalogUnavailable as error:
                if not isinstance(driver_error(error.__cause__), _RETRIED):
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

    def ask_time(self) -> datetime:
        """Return what the database's clock shows, in one request."""
        query = select(func.clock_timestamp(type_=t.Moment))
        return self.look(lambda connection: connection.execute(query).scalar_one())

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

        It must be safe, belong to this region, and have a schema that fits this code.
        """
        self.check_safe()
        with self.begin() as connection:
            if not connection.scalar(select(func.to_regclass("catalog_info").is_not(None))):
                raise CatalogUnsupported(
                    f"The catalog of {self.region} is empty.", advice="Run: domicile init"
                )
            c = t.catalog_info.c  # other revisions may lack the other columns
            info = connection.execute(select(c.region, c.oldest_code)).one_or_none()
            schema = revision(connection)
        if info is None:
            raise CatalogUnsupported(
                f"The catalog of {self.region} has no name yet.", advice="Run: domicile init"
            )
        if info.region != self.region:
            raise another(self.region, info.region)
        check_schema(self.region, self.code, schema, info.oldest_code)

    def close(self) -> None:
        """Close the connections. In a forked process, only forget them: the parent uses them."""
        here = os.getpid() == self._process
        self.engine.dispose(close=here)
        self._timing.dispose(close=here)


@contextmanager
def _begun(engine: Engine, times: Times) -> Iterator[tuple[Connection, RootTransaction]]:
    """Begin a transaction: a connection that the server has closed meanwhile costs no caller."""
    with ExitStack() as stack:
        connection = stack.enter_context(engine.connect())
        connection.info[TIMES] = times
        try:
            transaction = connection.begin()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            stack.pop_all().close()
            connection = stack.enter_context(engine.connect())
            connection.info[TIMES] = times
            transaction = connection.begin()
        yield connection, transaction


def check_process(process: int) -> None:
    """Raise InvalidRequest unless this is that process: connections and locks are not shared."""
    if os.getpid() != process:
        raise InvalidRequest(
            "The store was opened in another process, from which this one was forked.",
            advice="Open a store in this process, after the fork.",
        )


def revision(connection: Connection) -> str:
    """Return the revision of the schema, empty if none is recorded.

    The catalog states it. Alembic's own table may name a revision that declares a region instead.
    """
    for table, column in (("catalog_info", "newest_code"), ("alembic_version", "version_num")):
        if connection.scalar(select(func.to_regclass(table).is_not(None))):
            found = connection.scalar(text(f"SELECT {column} FROM {table}"))  # noqa: S608
            if found is not None:
                return f"{found:0>4}"
    return ""


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
        # another connection may have reached another server
        if now - self.passed > self.age or _CHECKED not in connection.info:
            self.check(connection)
            connection.info[_CHECKED] = True
            self.passed = now


def another(region: str, found: str) -> CatalogUnsupported:
    """Return the error for the catalog of another region."""
    return CatalogUnsupported(
        f"The catalog given for {region} is the catalog of {found}.",
        advice="Check the region's catalog_url.",
    )


def lock_number(tenant: str) -> int:
    """Return the number of a tenant's advisory lock: a signed 64-bit integer."""
    return int.from_bytes(hashlib.sha256(b"tenant\0" + tenant.encode()).digest()[:8], signed=True)


def share_tenants(connection: Connection, tenants: Iterable[str]) -> None:
    """Until the transaction ends, no erasure of these tenants commits a fence.

    The answer to a check in a *later* statement then stays true until the commit.
    """
    numbers = sorted({lock_number(tenant) for tenant in set(tenants)})
    connection.execute(_share(), {"numbers": numbers})


@cache
def _share() -> Select[object]:
    given = func.unnest(bindparam("numbers", type_=ARRAY(BigInteger))).column_valued("number")
    return select(func.pg_advisory_xact_lock_shared(given))


def own_tenant(connection: Connection, tenant: str) -> None:
    """Until the transaction ends, no write of this tenant is announced or committed."""
    connection.execute(select(func.pg_advisory_xact_lock(lock_number(tenant))))
