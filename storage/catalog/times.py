"""How long the database may take, by kind of work.

The server ends what takes too long. The client closes the connection if the server does not answer
at all, as when it is stopped.
"""

from dataclasses import dataclass

_SLACK = 5.0  # seconds in which a limit of the server must show


@dataclass(frozen=True, slots=True)
class Times:
    """The limits of one transaction, in seconds. None: no limit.

    ``lock``: waiting for a lock. ``statement``: one statement. ``idle``: between two statements.

    ``snapshot``: every statement sees the same moment, and none changes anything. ``alone``: each
    statement is a transaction of its own, and only the client limits it.
    """

    lock: float | None
    statement: float | None
    idle: float | None
    snapshot: bool = False
    alone: bool = False

    @property
    def begin(self) -> str:
        """Begin a transaction with these limits, in one round trip.

        ``SET LOCAL`` ends with the transaction, so it also works through a transaction pooler.
        """
        mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if self.snapshot else ""
        return (
            f"BEGIN{mode}; SET LOCAL lock_timeout = {_milliseconds(self.lock)}; "
            f"SET LOCAL statement_timeout = {_milliseconds(self.statement)}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(self.idle)}; "
            "SET LOCAL transaction_timeout = 0"
        )

    @property
    def answer(self) -> float | None:
        """How long to wait for the answer to one request before the connection is closed."""
        if self.statement is None or self.alone:
            return self.statement
        return self.statement + _SLACK


COMMIT = "SET LOCAL statement_timeout = 0; COMMIT"
"""Commit without a limit: if the wait for a synchronous standby were canceled, the server would
report success."""

CONNECTED = 5.0
"""Seconds in which a server must answer outside of a transaction, and accept a connection."""

DETACHING = 30.0
"""Seconds that detaching a partition may wait for old readers."""

SERVE = Times(lock=5, statement=10, idle=120)
"""Calls of a service, and commands."""

WORK = Times(lock=20, statement=60, idle=900)
"""A piece of a worker's work. It may list a backend while a transaction is open."""

SNAPSHOT = Times(lock=5, statement=600, idle=600, snapshot=True)
"""A report that counts all records."""

UNLIMITED = Times(lock=None, statement=None, idle=None)
"""Migrations and recovery."""


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else round(seconds * 1000)
