"""The restore guard: nothing is served or destroyed on a catalog that may have forgotten events.

A copy of a catalog is known by its place: another server, timeline, database or table. A server
that was set back in its own place, as from a snapshot of its disk, is known by the ledger: there
is an entry after the head that the catalog never announced. That is asked of the backends once
for each start of the server.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from storage.catalog import identity, ledger
from storage.catalog.objects import ObjectKind, numbered
from storage.errors import BackendError, CatalogRestored, CatalogUnavailable
from storage.region import OpenRegion

AGE = 1.0
"""Seconds for which a process takes it that the catalog is the one that it was."""

_AT_ONCE = 1000  # entries of one number; more than a few is a sign of something else


class Guard:
    """Asked at the beginning of transactions. Raises CatalogRestored, or CatalogUnavailable."""

    def __init__(self, region: OpenRegion) -> None:
        """Of an opened region."""
        self._region = region
        self._compared: datetime | None = None  # the start of the server that was compared

    def __call__(self, connection: Connection) -> None:
        """Whether the catalog is the one that the backends know."""
        seen = identity.look(connection)
        if seen.moved:
            raise restored(self._region.name, seen.moved)
        if seen.started != self._compared:
            self._compare(connection)
            self._compared = seen.started

    def _compare(self, connection: Connection) -> None:
        following = numbered(ledger.head(connection).number + 1)
        answered = False
        for backend in self._region.backends.values():
            try:
                found = backend.scan(f"{ObjectKind.LEDGER}/{following}/")
                keys = {trace.key for trace in islice(found, _AT_ONCE)}
            except BackendError:
                continue
            answered = True
            if ledger.unknown(connection, keys):
                raise restored(self._region.name, ())
        if not answered:
            raise CatalogUnavailable(
                f"The catalog of {self._region.name} cannot be compared with the ledger: no "
                "backend answers.",
                advice="Try again when one does.",
            )


def restored(region: str, moved: Sequence[str]) -> CatalogRestored:
    """The error for a catalog that is a copy; ``moved`` as ``identity.Seen`` says."""
    return CatalogRestored(
        f"The catalog of {region} is not the one that was used before: {identity.why(moved)}.",
        advice=f"Nothing is served or destroyed before you run: domicile recover --region {region}",
    )
