"""Connections to a catalog, with limits of time."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    PoolProxiedConnection,
    create_engine,
    event,
)
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.interfaces import DBAPIConnection

from storage.catalog.address import Address
from storage.catalog.times import COMMIT, CONNECTED, SERVE, Times

R = TypeVar("R")

_WARNING = "01000"
_CANCEL = 1.0  # seconds to send that, and again to get an answer

TIMES = "times"
"""The key in a connection's ``info`` of the limits of its next transaction."""


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is closed if the server does not answer in time.

    psycopg sends no BEGIN for it (``autocommit``): ``begin`` sends one with the limits, in one
    request. ``alone``: statements run outside of a transaction.
    """

    patience: float | None = CONNECTED
    alone = False
    limited = False
    """Whether the server limits what it is asked."""

    def begin(self, times: Times) -> None:
        """Begin a transaction with limits."""
        if not (self.alone or times.alone):
            self.execute(times.begin)
            self.limited = True
        self.patience = times.answer

    def commit(self) -> None:
        """Commit. No limit of the server applies: it could report a success that is none.

        It does so, with a warning, if an operator ends its wait for a synchronous standby. Raises
        OperationalError then: the outcome is unknown.
        """
        if self.limited:
            codes: list[str | None] = []

            def note(diagnostic: psycopg.errors.Diagnostic) -> None:
                codes.append(diagnostic.sqlstate)  # it cannot be read later

            self.add_notice_handler(note)
            self.execute(COMMIT)
            self.remove_notice_handler(note)
            if _WARNING in codes:
                raise psycopg.OperationalError("the server did not wait for its standby")
        self.patience, self.limited = CONNECTED, False

    def rollback(self) -> None:
        """Roll back, if there is anything to."""
        super().rollback()
        self.patience, self.limited = CONNECTED, False

    def wait(self, gen: PQGen[R], *args: Any, **options: Any) -> R:  # noqa: ANN401 - psycopg's
        """Wait for the answer to a request. Every request goes through here."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: PQGen[R]) -> Generator[Any, Any, R]:
        """Run a request. psycopg sends 0 several times a second while there is no answer."""
        until = None if self.patience is None else time.monotonic() + self.patience
        limited = self.limited
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and until is not None and time.monotonic() > until:
                    if limited:
                        self.pgconn.finish()
                        raise psycopg.OperationalError("the server did not answer in time")
                    limited, until = True, self._cancel()
                wanted = gen.send(ready)
        except StopIteration as ended:
            return cast(R, ended.value)

    def _cancel(self) -> float:
        """Cancel what the server does not limit. Return until when to wait for its answer."""
        with suppress(psycopg.Error):
            self.cancel_safe(timeout=_CANCEL)
        return time.monotonic() + _CANCEL


class _Dialect(PGDialect_psycopg):
    """SQLAlchemy's dialect for psycopg, with our connections."""

    supports_statement_cache = True

    def connect(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the base
        return TimedConnection.connect(*args, autocommit=True, **options)

    def set_isolation_level(self, dbapi_connection: DBAPIConnection, level: str) -> None:
        cast(TimedConnection, dbapi_connection).alone = level == "AUTOCOMMIT"

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        link = cast(TimedConnection, dbapi_connection.driver_connection)
        link.begin(dbapi_connection.info.get(TIMES, SERVE))


@contextmanager
def canceled_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Cancel the statement that runs meanwhile after that time.

    For what runs outside of a transaction: there a limit of the server would be session state.
    """
    link = cast(TimedConnection, connection.connection.driver_connection)
    canceled = Event()

    def cancel() -> None:
        canceled.set()
        with suppress(psycopg.Error):  # then its patience ends
            link.cancel_safe(timeout=CONNECTED)

    timer = Timer(seconds, cancel)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if canceled.is_set():
            connection.invalidate()  # the request may reach a later statement


def fetched(
    connection: Connection, query: LiteralString, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """Run a query with the driver, and return its rows: of times, in any time zone.

    For what is called so often that SQLAlchemy's part counts. It still hears of the statement, and
    of what fails: so the same errors are raised, and connections that are lost are dropped.
    """
    link = cast(TimedConnection, connection.connection.driver_connection)
    cursor = link.cursor()
    for told in connection.dispatch.before_cursor_execute:
        told(connection, cursor, query, values, None, False)
    try:
        return cursor.execute(query, values).fetchall()
    except BaseException as error:  # noqa: BLE001 - it is raised there
        connection._handle_dbapi_exception(error, query, None, None, None)  # noqa: SLF001


registry.register("postgresql.domicile", __name__, _Dialect.__name__)


def make_engine(address: Address, connections: int, **options: Any) -> Engine:  # noqa: ANN401
    """Return an engine that opens at most that many connections to the address."""
    # prepare_threshold: a prepared statement is session state, which breaks a transaction pooler
    # hide_parameters: an error must not bring keys or pseudonyms into a log
    engine = create_engine(
        address.url.set(drivername="postgresql+domicile"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        pool_use_lifo=True,
        hide_parameters=True,
        use_native_hstore=False,  # a request more for a type that no table has
        connect_args={"prepare_threshold": None, **address.parameters},
        **options,
    )
    event.listen(engine, "handle_error", _close_cursor)
    return engine


def _close_cursor(context: ExceptionContext) -> None:
    # SQLAlchemy leaves the cursor of a lost connection open, and psycopg warns of one on a server
    if context.is_disconnect and context.execution_context is not None:
        context.execution_context.cursor.close()
