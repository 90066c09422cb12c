"""Connections that outlive a store: the next store of the same catalog gets warm ones.

A server process that has just started has read nothing of the catalog, and its first statements
cost many times what later ones do. A store leaves no state in a session, as it may be that of a
transaction pooler; so nothing comes from one test to another.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from storage.catalog.connections import TimedConnection, _Dialect

_MOST = 30  # of the 100 that a server takes

Key = frozenset[tuple[str, str]]


class KeptConnections:
    """Connections that no store has, those of the last store at the end."""

    def __init__(self) -> None:
        self._process = os.getpid()  # one that is forked from it has none
        self._lock = Lock()
        self._free: list[tuple[Key, TimedConnection]] = []
        self._lent = WeakKeyDictionary[TimedConnection, Key]()

    def take(self, key: Key) -> TimedConnection | None:
        """Return a connection that works, if there is one."""
        while (found := self._pop(key)) is not None:
            with suppress(psycopg.Error):
                found.execute("")
                return found
            found.close()
        return None

    def lend(self, connection: TimedConnection, key: Key) -> None:
        """Note where a connection of a store leads."""
        if os.getpid() == self._process:
            with self._lock:
                self._lent[connection] = key

    def give_back(self, connection: TimedConnection) -> None:
        """Keep a connection that a store closes, unless something is wrong with it."""
        ours = os.getpid() == self._process
        idle = connection.info.transaction_status == TransactionStatus.IDLE
        if not ours or not idle or (key := self._lent.get(connection)) is None:
            connection.close()
            return
        connection.patience = TimedConnection.patience
        connection.alone = TimedConnection.alone
        connection._notice_handlers.clear()
        with self._lock:
            self._free.append((key, connection))
            over = self._free.pop(0)[1] if len(self._free) > _MOST else None
        if over is not None:
            over.close()

    def close(self) -> None:
        """Close those that are kept."""
        with self._lock:
            for _, connection in self._free:
                connection.close()
            self._free.clear()

    def _pop(self, key: Key) -> TimedConnection | None:
        if os.getpid() != self._process:
            return None
        with self._lock:
            fit = [number for number, (other, _) in enumerate(self._free) if other == key]
            return self._free.pop(fit[-1])[1] if fit else None


@contextmanager
def kept_connections() -> Iterator[None]:
    """Keep the connections of catalogs from one store to the next, for the context."""
    kept = KeptConnections()
    connect = _Dialect.connect

    def take_or_connect(self: _Dialect, *args: Any, **options: Any) -> TimedConnection:  # noqa: ANN401
        key = frozenset((name, str(value)) for name, value in options.items() if name != "context")
        connection: TimedConnection = kept.take(key) or connect(self, *args, **options)
        kept.lend(connection, key)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Dialect, "connect", take_or_connect)
        patch.setattr(_Dialect, "do_close", lambda _, connection: kept.give_back(connection))
        patch.setattr(_Dialect, "do_terminate", lambda _, connection: connection.close())
        yield
    kept.close()
