"""A pytest plugin for tests of services: ``pytest_plugins = ["storage.testing"]``.

It provides the fixture ``domicile``. ``domicile.store`` is a real store on an embedded PostgreSQL,
with backends in memory that a test takes down and brings back, and a clock that a test sets.
``domicile.run_worker()`` runs the worker. Override the fixture ``domicile_backends`` to use
``"directory"`` or ``"s3"`` (moto) instead of memory.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from storage import bootstrap
from storage.client.aio.store import AsyncStore
from storage.region import Limits
from storage.testing.clock import FakeClock, SkewedClock
from storage.testing.connections import CatalogFaults
from storage.testing.failures import (
    duplicate,
    fail,
    fail_halfway,
    fill_up,
    forbid,
    ignore_purge,
    land_after,
    land_late,
    lose_answer,
    redirect,
    refuse_locked,
    refuse_some,
    stale_after_purge,
    stale_listing,
    time_out,
    wait_at,
)
from storage.testing.faults import Call, Fault, FaultyBackend, Gate
from storage.testing.harness import SERVICE, Domicile, Kind, Server, new_domicile
from storage.testing.people import INVESTIGATOR
from storage.testing.processors import FakeProcessor

__all__ = [
    "INVESTIGATOR",
    "SERVICE",
    "Call",
    "CatalogFaults",
    "Domicile",
    "FakeClock",
    "FakeProcessor",
    "Fault",
    "FaultyBackend",
    "Gate",
    "Server",
    "SkewedClock",
    "domicile",
    "domicile_async_store",
    "domicile_backends",
    "domicile_limits",
    "domicile_opened",
    "domicile_regions",
    "domicile_server",
    "domicile_topology",
    "duplicate",
    "fail",
    "fail_halfway",
    "fill_up",
    "forbid",
    "ignore_purge",
    "land_after",
    "land_late",
    "lose_answer",
    "new_domicile",
    "redirect",
    "refuse_locked",
    "refuse_some",
    "stale_after_purge",
    "stale_listing",
    "time_out",
    "wait_at",
]


@pytest.fixture(scope="session")
def domicile_topology() -> Path | None:
    """The directory of the topology, None for the shipped example. Override it."""
    return None


@pytest.fixture(scope="session")
def domicile_server(domicile_topology: Path | None) -> Iterator[Server]:
    """One PostgreSQL for the whole test session."""
    server = Server(domicile_topology)
    yield server
    server.close()


@pytest.fixture
def domicile_backends() -> Kind:
    """The kind of all backends. Override it."""
    return "memory"


@pytest.fixture
def domicile_limits() -> Limits:
    """The buffer sizes and timeouts of a process. Override it."""
    return Limits()


@pytest.fixture
def domicile_regions() -> Collection[str] | None:
    """The regions that the store serves, None for all of the topology. Override it.

    A test that needs one takes half of the time.
    """
    return None


@pytest.fixture
def domicile(
    domicile_server: Server,
    domicile_backends: Kind,
    domicile_limits: Limits,
    domicile_regions: Collection[str] | None,
) -> Iterator[Domicile]:
    """A new, empty Domicile."""
    with new_domicile(
        domicile_server, domicile_backends, domicile_limits, domicile_regions
    ) as made:
        yield made


@pytest.fixture
def domicile_async_store(domicile: Domicile) -> Iterator[AsyncStore]:
    """The store of ``domicile`` for asyncio. Use it in the one event loop of the test."""
    store = AsyncStore(domicile.store)
    yield store
    store.shut()


@pytest.fixture
def domicile_opened(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> Domicile:
    """A Domicile that the code under test opens by itself.

    ``open_store()`` and ``open_async_store()`` without settings open it, as another process would.
    """
    monkeypatch.setattr(bootstrap, "load_settings", lambda: domicile.settings)
    monkeypatch.setattr(bootstrap, "Dependencies", lambda: domicile.dependencies)
    return domicile
