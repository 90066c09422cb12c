"""Whose login a process has to the catalog of a region: a person's, or a process's own."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from storage.catalog import roster
from storage.catalog.engine import Catalog

ASK_AGAIN: Final = 5.0
"""Seconds after which the roster is asked again: it may have an entry since."""


class Session:
    """Whether the login of this process is that of a person of the roster. Thread-safe.

    It is once the roster has named it for a person, and stays so when those entries are forgotten.
    """

    def __init__(self, local: Callable[[], float]) -> None:
        """``local`` gives monotonic seconds. Nothing is asked before it is needed."""
        self._local = local
        self._known: tuple[float, bool] | None = None

    def of_person(self, connection: Connection) -> bool:
        """Return whether it is a person's, at most ``ASK_AGAIN`` old."""
        fresh = self._fresh()
        if fresh is None:
            fresh = roster.session(connection)[0] is not None
            self._known = self._local(), fresh
        return fresh

    def is_persons(self, catalog: Catalog) -> bool:
        """Return the same, outside of a transaction."""
        fresh = self._fresh()
        if fresh is not None:
            return fresh
        return catalog.look(self.of_person)

    def _fresh(self) -> bool | None:
        known = self._known
        return known[1] if known and self._local() - known[0] < ASK_AGAIN else None
