"""Real servers on loopback. Nothing is installed here, and nothing is skipped if one is missing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.ports import Backend
from storage.testing import Domicile
from tests.servers.ceph import Ceph, running
from tests.servers.postgres import Postgres, Program, on_postgres
from tests.servers.postgres import running as running_postgres
from tests.support.backends.kinds import NAME, BackendCase
from tests.support.catalogs.limits import shorten_connecting, shorten_transactions


@pytest.fixture(scope="session", autouse=True)
def terminated() -> Iterator[None]:
    """End the servers on SIGTERM too, as on Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A cluster, which ends after the last test."""
    with running(tmp_path_factory.mktemp("ceph")) as started:
        yield started


def plain(ceph: Ceph) -> BackendCase:
    """A bucket without versions."""
    return BackendCase(ceph.bucket(versioned=False), versioned=False)


def versioned(ceph: Ceph) -> BackendCase:
    """A bucket with versions."""
    return BackendCase(ceph.bucket(versioned=True), versioned=True)


def locked(ceph: Ceph) -> BackendCase:
    """A bucket with object lock."""
    return BackendCase(ceph.bucket(versioned=True, locks=True), versioned=True)


@pytest.fixture(params=[plain, versioned, locked], ids=NAME)
def case(request: pytest.FixtureRequest, ceph: Ceph) -> Iterator[BackendCase]:
    """An empty bucket of each kind."""
    made: BackendCase = request.param(ceph)
    yield made
    made.backend.close()


@pytest.fixture
def backend(case: BackendCase) -> Backend:
    """An empty bucket of each kind."""
    return case.backend


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, its standby and a pooler, which end after the last test."""
    with running_postgres() as started:
        yield started


@pytest.fixture(params=["primary", "pooler"])
def program(request: pytest.FixtureRequest, postgres: Postgres) -> Program:
    """What a catalog is reached through."""
    made: Program = getattr(postgres, request.param)
    return made


@pytest.fixture
def quick(
    postgres: Postgres, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Domicile]:
    """A Domicile whose limits are short."""
    shorten_connecting(monkeypatch)
    with on_postgres(postgres, program, tmp_path) as made:
        shorten_transactions(made)
        yield made


@pytest.fixture
def pooled(postgres: Postgres, tmp_path: Path) -> Iterator[Domicile]:
    """A Domicile behind the pooler, with the limits of a service."""
    with on_postgres(postgres, postgres.pooler, tmp_path) as made:
        yield made
