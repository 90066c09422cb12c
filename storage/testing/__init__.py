"""For users' own tests: ``pytest_plugins = ["storage.testing"]`` gives the fixture ``domicile``.

``domicile.store`` is a real store on a real, embedded PostgreSQL, with backends in memory that a
test takes down and brings back, and a clock that it turns; ``domicile.run_worker()`` does what the
worker would. Override the fixture ``domicile_backends`` to have ``"directory"`` or ``"s3"`` (moto).
"""

from collections.abc import Iterator

import pytest

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
from storage.testing.harness import Domicile, Kind, Server, new_domicile
from storage.testing.processors import FakeProcessor

__all__ = [
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
    "domicile_backends",
    "domicile_limits",
    "domicile_server",
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
def domicile_server() -> Iterator[Server]:
    """One PostgreSQL for the whole test session."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def domicile_backends() -> Kind:
    """What the backends are made of: override it."""
    return "memory"


@pytest.fixture
def domicile_limits() -> Limits:
    """How much a process may hold and how long it may wait: override it."""
    return Limits()


@pytest.fixture
def domicile(
    domicile_server: Server, domicile_backends: Kind, domicile_limits: Limits
) -> Iterator[Domicile]:
    """A new, empty Domicile."""
    with new_domicile(domicile_server, domicile_backends, domicile_limits) as made:
        yield made
