"""Which region is a tenant's home, on what terms, and which regions this process serves."""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Self, TypeVar

from sqlalchemy import Connection

from storage.catalog import tenants
from storage.catalog.engine import check_process
from storage.catalog.tenants import TenantTerms
from storage.client.validate import check_text
from storage.errors import (
    CatalogRestored,
    CatalogUnavailable,
    InvalidRequest,
    UnknownTenant,
    WrongRegion,
)
from storage.objects.keyring import KeyRing
from storage.packs.prepare import Writer
from storage.packs.reader import Reader
from storage.policy import well_formed
from storage.region import OpenRegion

T = TypeVar("T")

_CACHED = 5.0  # seconds; a write compares the terms again before it commits


@dataclass(frozen=True, slots=True)
class ServedRegion:
    """An open region with its day keys, writer and reader."""

    region: OpenRegion
    keys: KeyRing
    writer: Writer
    reader: Reader

    @classmethod
    def of(cls, region: OpenRegion, flushers: ThreadPoolExecutor) -> Self:
        """Return a writer and a reader for ``region``. ``flushers`` runs the writer's flushes."""
        keys = KeyRing(region)
        return cls(region, keys, Writer(region, keys, flushers), Reader(region, keys))


class Homes:
    """The regions that this process serves, and the tenants at home in them. Thread-safe.

    The store, its tenants and its admin interfaces share one. It is not part of the public API.
    """

    def __init__(self, regions: Mapping[str, ServedRegion]) -> None:
        """Serve ``regions``, by name."""
        self._regions = dict(regions)
        self._cache: dict[str, tuple[float, ServedRegion, TenantTerms]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    @property
    def regions(self) -> Mapping[str, ServedRegion]:
        """The served regions, by name. Raises InvalidRequest in a forked process."""
        check_process(self._process)
        return self._regions

    def served(self, region: str) -> ServedRegion:
        """Return a region by name. Raises WrongRegion if this process does not serve it."""
        check_text("region", region)
        try:
            return self.regions[region]
        except KeyError:
            raise not_served(region, self._regions) from None

    def find(self, tenant: str) -> tuple[ServedRegion, TenantTerms]:
        """Return the tenant's home region and terms, at most 5 seconds old.

        Raises UnknownTenant, WrongRegion (which names the home), and InvalidRequest after
        ``close``.
        """
        check_process(self._process)
        if self._closed:
            raise InvalidRequest("The store is closed.")
        with self._lock:
            cached = self._cache.get(tenant)
        if cached is not None and monotonic() - cached[0] < _CACHED:
            return cached[1], cached[2]
        found = self._look_up(tenant)
        with self._lock:
            self._cache[tenant] = (monotonic(), *found)
        return found

    def invalidate(self, tenant: str) -> None:
        """Drop the tenant from the cache, so that ``find`` reads its terms again."""
        with self._lock:
            self._cache.pop(tenant, None)

    def first(self, ask: Callable[[ServedRegion, Connection], T]) -> T | None:
        """Return the first true answer of a region; None if every region has answered without one.

        A region whose catalog is unavailable, or restored and not yet recovered, does not keep the
        answer of another from being found. Raises its error only if no region has an answer.
        """
        unanswered: CatalogUnavailable | CatalogRestored | None = None
        for served in self.regions.values():
            try:
                with served.region.catalog.begin() as connection:
                    found = ask(served, connection)
            except (CatalogUnavailable, CatalogRestored) as error:
                unanswered = error
                continue
            if found:
                return found
        if unanswered is not None:
            raise unanswered
        return None

    def close(self) -> None:
        """Write what is queued, and refuse every later ``find``. Does nothing in a fork."""
        if os.getpid() != self._process:
            return
        self._closed = True
        for served in self._regions.values():
            served.writer.close()

    def _look_up(self, tenant: str) -> tuple[ServedRegion, TenantTerms]:
        homes: set[str | None] = set()

        def ask(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, TenantTerms] | None:
            terms = tenants.find(connection, tenant)
            if terms is None:
                homes.add(tenants.home_of(connection, tenant))
            return (served, terms) if terms is not None else None

        found = self.first(ask) if well_formed(tenant) else None
        if found is not None:
            return found
        for home in homes - {None} - self._regions.keys():
            raise home_elsewhere(tenant, str(home))
        raise unknown("tenant", tenant)


def unknown(what: str, given: str) -> UnknownTenant:
    """Return the error for an unknown tenant or account.

    Its text repeats ``given`` only if that is well formed: anything else may be a person's name.
    """
    return UnknownTenant(
        f"No {what} {given!r}." if well_formed(given) else f"No such {what}.",
        reasons=(f"unknown_{what}",),
        advice="Create the tenant first: domicile tenant ensure.",
    )


def home_elsewhere(tenant: str, home: str) -> WrongRegion:
    """Return the error for a tenant whose home region this process does not serve."""
    return WrongRegion(
        f"Tenant {tenant!r} is at home in {home}, which this process does not serve.",
        home=home,
        advice=f"Use a process that serves {home}.",
    )


def not_served(region: str, served: Mapping[str, object]) -> WrongRegion:
    """Return the error for a region that this process does not serve."""
    return WrongRegion(
        f"This process does not serve {region}.",
        home=region,
        advice=f"It serves: {', '.join(served)}.",
    )
