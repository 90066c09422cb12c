"""Faults between a process and its catalog: a delayed commit, a lost connection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import cast

import psycopg
from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, text

from storage.catalog.engine import Catalog

Statements = list[str]
Which = Callable[[Statements], bool]
Act = Callable[[int], None]
"""An action, given the process id of the connection's server process."""


def ran(*parts: str) -> Which:
    """Match transactions that ran a statement with each of these parts; without parts, all."""
    return lambda statements: all(any(part in s for s in statements) for part in parts)


@dataclass(slots=True)
class _Trap:
    which: Which
    before: Act | None
    after: Act | None


@dataclass
class CatalogFaults:
    """Faults of one catalog in one process. ``watching`` creates it.

    ``drop_before_commit`` and ``drop_after_commit`` simulate a network; the rest is for tests that
    know the statements.

    ``statements`` counts executed statements. ``kill_at``: the connection is lost at the statement
    of that number, once. ``down``: new connections fail.
    """

    engine: Engine
    other: Engine  # connections of the test itself
    statements: int = 0
    kill_at: int | None = None
    down: bool = False
    _traps: list[_Trap] = field(default_factory=list)
    _early: list[_Trap] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def drop_before_commit(self, *parts: str) -> None:
        """Lose the connection before COMMIT, once: the transaction is rolled back.

        ``parts`` select the transaction by its statements; without parts, the next one.
        """
        self.at_commit(ran(*parts), before=self.kill)

    def drop_after_commit(self, *parts: str) -> None:
        """Lose the connection after COMMIT, once, before the process learns of it."""
        self.at_commit(ran(*parts), after=self.lose)

    def at_commit(
        self, which: Which, *, before: Act | None = None, after: Act | None = None
    ) -> None:
        """Act before or after the commit of a matching transaction, once."""
        self._traps.append(_Trap(which, before, after))

    def at_statement(self, which: Which, act: Act) -> None:
        """Act before a matching transaction executes its next statement, once."""
        self._early.append(_Trap(which, act, None))

    def kill(self, pid: int) -> None:
        """End the server process of a connection, and wait until it is gone."""
        with self.other.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})

    def lose(self, pid: int) -> None:
        """Lose the connection: the request took effect, and the response is lost."""
        self.kill(pid)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def vanish(self, pid: int) -> None:
        """As ``lose``, and the catalog is unreachable until ``down`` is False."""
        self.down = True
        self.engine.pool.dispose()
        self.lose(pid)

    def lock_waiters(self) -> int:
        """Return how many connections to this catalog wait for a lock."""
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.other.connect() as connection:
            return int(connection.scalar(text(query)) or 0)

    def take(self, statements: Statements, *, early: bool = False) -> _Trap | None:
        """Remove and return the trap that matches the transaction, if there is one."""
        traps = self._early if early else self._traps
        with self._lock:
            for trap in traps:
                if trap.which(statements):
                    traps.remove(trap)
                    return trap
        return None

    def on_statement(self, connection: Connection, statement: str) -> None:
        """Record the statement, and lose the connection if its number is ``kill_at``."""
        ran_so_far: Statements = connection.info.setdefault("statements", [])
        ran_so_far.append(" ".join(statement.split()))
        pid = pid_of(connection.connection)
        trap = self.take(ran_so_far, early=True)
        if trap and trap.before:
            trap.before(pid)
        with self._lock:
            self.statements += 1
            hit = self.statements == self.kill_at
        if hit:
            self.kill(pid)


@contextmanager
def watching(catalog: Catalog) -> Iterator[CatalogFaults]:
    """Install faults in this catalog for the context."""
    engine = catalog.engine
    other = create_engine(engine.url, isolation_level="AUTOCOMMIT", pool_size=2)
    faults = CatalogFaults(engine, other)
    real = engine.dialect.do_commit

    def begin(connection: Connection) -> None:
        connection.info["statements"] = []

    def execute(connection: Connection, _: object, statement: str, *_rest: object) -> None:
        faults.on_statement(connection, statement)

    def connect(*_: object) -> None:
        if faults.down:
            raise psycopg.OperationalError("connection refused")

    def commit(link: PoolProxiedConnection) -> None:
        trap = faults.take(link.info.get("statements", []))
        pid = pid_of(link)
        if trap and trap.before:
            trap.before(pid)
        real(link)
        if trap and trap.after:
            trap.after(pid)

    hooks: list[tuple[str, Callable[..., None]]] = [
        ("begin", begin),
        ("before_cursor_execute", execute),
        ("do_connect", connect),
    ]
    for name, hook in hooks:
        event.listen(engine, name, hook)
    engine.dialect.do_commit = commit  # type: ignore[method-assign,assignment]
    try:
        yield faults
    finally:
        engine.dialect.do_commit = real  # type: ignore[method-assign]
        for name, hook in hooks:
            event.remove(engine, name, hook)
        other.dispose()


def pid_of(link: PoolProxiedConnection) -> int:
    """Return the process id of the server process of a connection."""
    return cast(psycopg.Connection, link.driver_connection).info.backend_pid
