"""Connections from test to test: a new one has to read anew what is in the catalog of a region."""

from dataclasses import dataclass, field
from typing import cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from storage.catalog.connections import TimedConnection


@dataclass
class KeptConnections:
    """At most one idle connection to each database, as good as a new one."""

    _idle: dict[URL, TimedConnection] = field(default_factory=dict)

    def lend(self, engine: Engine) -> None:
        """Let the next connection of an engine be the kept one, if there is one that works."""

        def connect(*_: object) -> TimedConnection | None:
            link = self._idle.pop(engine.url, None)
            return link if link is not None and _is_reset(link) else None

        event.listen(engine, "do_connect", connect)

    def keep(self, engine: Engine) -> None:
        """Keep one of the idle connections of an engine when that is disposed of."""
        close = engine.dialect.do_close

        def keep_one(connection: DBAPIConnection) -> None:
            link = cast(TimedConnection, connection)
            if engine.url not in self._idle and not link.alone and _is_reset(link):
                self._idle[engine.url] = link
            else:
                close(connection)

        engine.dialect.do_close = keep_one  # type: ignore[method-assign,assignment]

    def close(self) -> None:
        """Close all."""
        for link in self._idle.values():
            link.close()


def _is_reset(link: TimedConnection) -> bool:
    """Return whether a connection works and has no state of a session any more."""
    if link.closed or link.info.transaction_status != TransactionStatus.IDLE:
        return False
    try:
        link.execute("DISCARD ALL")
    except psycopg.Error:
        link.close()
        return False
    return True
