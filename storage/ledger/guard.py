"""The restore guard: refuse to serve or destroy on a catalog that may lack events.

A restored catalog is recognized by its identity: another server, timeline, database or table. A
server that was reset in place, for example from a disk snapshot, is recognized by the ledger: the
backends have an entry after the head that the catalog never announced, or a newer checkpoint of the
log. The guard compares them once for each start of the server.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain, islice

from sqlalchemy import Connection

from storage.catalog import checkpoints, identity, ledger
from storage.catalog.kinds import ObjectKind, numbered
from storage.errors import BackendError, CatalogRestored, CatalogUnavailable
from storage.errors.failures import REFUSED_ADVICE
from storage.policy import check_supported
from storage.region import OpenRegion

AGE = 1.0
"""Seconds for which a passed check of the catalog's identity is good."""

_LISTED = 1000  # entries of one number; more than a few means a different problem


class Guard:
    """A check at the beginning of transactions.

    Raises CatalogRestored, CatalogUnavailable or CatalogUnsupported.
    """

    def __init__(self, region: OpenRegion) -> None:
        """Guard an opened region."""
        self._region = region
        self._compared: datetime | None = None  # the start of the server that was compared

    def __call__(self, connection: Connection) -> None:
        """Check that the catalog is the one whose events the backends have, and supports this code.

        A migration may have ended the support since the region was opened.
        """
        seen = identity.compare(connection)
        if seen.changed:
            raise restored(self._region.name, seen.changed)
        check_supported(self._region.name, self._region.catalog.code, seen.oldest_code)
        if seen.started != self._compared:
            self._compare(connection)
            self._compared = seen.started

    def _compare(self, connection: Connection) -> None:
        following = numbered(ledger.head(connection).number + 1)
        signed = checkpoints.newest(connection, self._region.log_trust)
        last = f"{ObjectKind.CHECKPOINT}/{numbered(signed.size if signed is not None else 0)}~"
        silent: list[BackendError] = []
        places = [self._region.backends[s.name] for s in self._region.region.places_of(None)]
        for backend in places:
            try:
                found = chain(
                    backend.scan(f"{ObjectKind.LEDGER}/{following}/"),
                    backend.scan(f"{ObjectKind.CHECKPOINT}/", after=last),
                )
                keys = {trace.key for trace in islice(found, _LISTED)}
            except BackendError as error:
                silent.append(error)
                continue
            if ledger.unknown(connection, keys):
                raise restored(self._region.name, ())
        if len(silent) == len(places):
            raise _not_compared(self._region.name, silent)


def _not_compared(region: str, silent: Sequence[BackendError]) -> CatalogUnavailable:
    """Return the error for a ledger that no backend shows."""
    codes = ", ".join(f"{error.backend}: {error.code}" for error in silent)
    retryable = any(error.retryable for error in silent)
    return CatalogUnavailable(
        f"The catalog of {region} cannot be compared with the ledger: no backend answers ({codes})."
        if retryable
        else f"The catalog of {region} cannot be compared with the ledger: every backend refuses "
        f"({codes}).",
        advice="Try again when one does." if retryable else REFUSED_ADVICE,
        retryable=retryable,
    )


def restored(region: str, changed: Sequence[str]) -> CatalogRestored:
    """Return the error for a restored catalog. ``changed``: see ``identity.Identity``."""
    return CatalogRestored(
        f"The catalog of {region} was restored or replaced: {identity.describe(changed)}.",
        advice=f"It serves and destroys nothing until you run: domicile recover --region {region}",
    )
