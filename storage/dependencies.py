"""The implementations with which a process opens regions. Tests pass their own."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from regions.backends import BackendSpec
from regions.model import Region, SubProcessor
from storage.catalog.engine import Catalog
from storage.clock import CatalogClock
from storage.meters import Meters, NoMeters
from storage.ports import Backend, Clock, Connector
from storage.region import Limits
from storage.settings import Settings

_UNHEALTHY = 5.0  # seconds for which writes avoid a backend that failed
_REOPEN = 5.0  # seconds between two attempts to open a region


def make_catalog(region: Region, url: str, connections: int) -> Catalog:
    """Return a region's catalog with its own connection pool."""
    return Catalog(region.name, url, connections=connections, hosts=region.catalog.hosts)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The implementations with which a process opens regions. Tests pass their own.

    With ``probing``, opening uses every right on every backend, and fails if one is missing.
    Commands that read, erase or purge do without: they must work while one backend refuses.
    """

    catalog: Callable[[Region, str, int], Catalog] = make_catalog
    clock: Callable[[Catalog], Clock] = CatalogClock
    backend: Callable[[BackendSpec, Settings], Backend] | None = None
    connector: Callable[[SubProcessor], Connector] | None = None
    limits: Limits = field(default_factory=Limits)
    unhealthy_seconds: float = _UNHEALTHY
    reopen_seconds: float = _REOPEN
    sleep: Callable[[float], None] = time.sleep
    entropy: Callable[[int], bytes] = os.urandom
    meters: Meters = field(default_factory=NoMeters)
    probing: bool = True
