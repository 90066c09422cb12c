"""Which region is a tenant's home, on what terms, and which regions this process serves."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import TypeVar

from sqlalchemy import Connection

from storage.catalog import tenants
from storage.catalog.engine import check_process
from storage.catalog.tenants import TenantTerms
from storage.client.regions import ServedRegion, ServedRegions
from storage.client.validate import check_text
from storage.errors import (
    ConfigurationError,
    DomicileError,
    InvalidRequest,
    KeyUnavailable,
    RegionNotRoutable,
    Unavailable,
    UnknownTenant,
    WrongRegion,
)
from storage.policy import well_formed
from storage.region import OpenRegion

T = TypeVar("T")

REGIONAL = (Unavailable, ConfigurationError, KeyUnavailable)
"""What one region may raise while the others serve."""

_CACHED = 5.0  # seconds; a write compares the terms again before it commits
_MOST = 20_000  # tenants in the cache
_TOGETHER = 1000  # tenants that are read again with one that is


@dataclass(slots=True)
class _Cached:
    """The home and the terms of a tenant.

    ``used``: since they were read. ``again``: a thread is reading them again.
    """

    read: float
    served: ServedRegion
    terms: TenantTerms
    used: bool = False
    again: bool = False

    def ages(self, served: ServedRegion, before: float) -> bool:
        """Return whether it is in use, about to be too old, and no thread is reading it again."""
        due = self.used and self.read <= before and not self.again
        return due and self.served is served


class Homes:
    """The regions that this process serves, and the tenants at home in them. Thread-safe.

    The store, its tenants and its admin interfaces share one. It is not part of the public API.
    """

    def __init__(self, regions: ServedRegions, *, clock: Callable[[], float] = monotonic) -> None:
        """Serve ``regions``. ``clock`` returns monotonic seconds."""
        self._regions = regions
        self._clock = clock
        self._cache: OrderedDict[str, _Cached] = OrderedDict()  # what was used last at the end
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    @property
    def regions(self) -> Mapping[str, ServedRegion]:
        """The regions that are open now, by name. Raises InvalidRequest in a forked process."""
        check_process(self._process)
        return self._regions.open

    @property
    def names(self) -> tuple[str, ...]:
        """All regions that this process serves, open or not."""
        return self._regions.names

    def served(self, region: str) -> ServedRegion:
        """Return a region by name.

        Raises WrongRegion if this process does not serve it, and its error if it did not open.
        """
        check_process(self._process)
        check_text("region", region)
        return self._regions.get(region)

    def open_all(self, require: Collection[str]) -> None:
        """Open each region. Raises the error of a required one, and the first if none opens."""
        failed: list[DomicileError] = []
        for name in (*self.names, *(name for name in require if name not in self.names)):
            try:
                self.served(name)
            except DomicileError as error:
                if name in require:
                    raise
                failed.append(error)
        if failed and not self.regions:
            raise failed[0]

    def with_tenants(self, *, but: str | None = None) -> Iterator[OpenRegion]:
        """Yield the regions that may have tenants: one that is not ready, or retired, has none."""
        for name in self.names:
            if name == but:
                continue
            try:
                yield self.served(name).region
            except RegionNotRoutable:
                continue

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
            if cached is not None:
                self._cache.move_to_end(tenant)
                cached.used = True
                if self._clock() - cached.read < _CACHED:
                    return cached.served, cached.terms
                cached.again = True
        try:
            found = self._look_up(tenant, cached.served.region.name if cached else None)
        finally:
            if cached is not None:
                cached.again = False
        with self._lock:
            self._cache[tenant] = _Cached(self._clock(), *found, used=True)
            if len(self._cache) > _MOST:
                self._cache.popitem(last=False)
        return found

    def invalidate(self, tenant: str) -> None:
        """Drop the tenant from the cache, so that ``find`` reads its terms again."""
        with self._lock:
            self._cache.pop(tenant, None)

    def first(
        self, ask: Callable[[ServedRegion, Connection], T], *, likely: str | None = None
    ) -> T | None:
        """Return the first true answer of a region; None if every region has answered without one.

        A region that did not open or does not answer does not keep the answer of another from being
        found. Raises its error only if no region has an answer. ``likely`` is asked first.
        """
        unanswered: Exception | None = None
        opened = self.regions
        for name in sorted(self.names, key=lambda name: (name != likely, name not in opened)):
            try:
                served = self.served(name)
                with served.region.catalog.begin() as connection:
                    found = ask(served, connection)
            except REGIONAL as error:
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
        self._regions.close()

    def _look_up(self, tenant: str, likely: str | None) -> tuple[ServedRegion, TenantTerms]:
        homes: set[str | None] = set()

        def ask(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, TenantTerms] | None:
            terms = tenants.find(connection, tenant)
            if terms is None:
                homes.add(tenants.home_of(connection, tenant))
                return None
            if likely is not None:
                self._read_others(tenant, served, connection)
            return served, terms

        found = self.first(ask, likely=likely) if well_formed(tenant) else None
        if found is not None:
            return found
        for home in homes - {None, *self.names}:
            raise home_elsewhere(tenant, str(home))
        raise unknown("tenant", tenant)

    def _read_others(self, tenant: str, served: ServedRegion, connection: Connection) -> None:
        """Read the terms of others again that were used and will soon be too old.

        One by one, thousands of tenants would cost more than what they write.
        """
        now = self._clock()
        soon = now - _CACHED / 2
        with self._lock:
            aged = (
                (name, known)
                for name, known in self._cache.items()
                if known.ages(served, soon) and name != tenant
            )
            others = dict(islice(aged, _TOGETHER))
            for known in others.values():
                known.again = True  # else every thread that finds a stale entry reads all of these
        if not others:
            return
        try:
            found = tenants.find_all(connection, others)
            with self._lock:
                for name, terms in found.items():
                    if self._cache.get(name) is others[name]:  # else read or dropped meanwhile
                        self._cache[name] = _Cached(now, served, terms)
        except ValueError:  # terms of newer code: a call for that tenant raises it
            return
        finally:
            for known in others.values():
                known.again = False


def ask_each(
    names: Iterable[str], ask: Callable[[str], T]
) -> tuple[dict[str, T], dict[str, DomicileError]]:
    """Ask each region. Return the answers, and the errors of the other regions.

    Raises the first error if no region answers.
    """
    found: dict[str, T] = {}
    failed: dict[str, DomicileError] = {}
    for name in names:
        try:
            found[name] = ask(name)
        except REGIONAL as error:
            failed[name] = error
    for first in failed.values():
        if not found:
            raise first
    return found, failed


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
