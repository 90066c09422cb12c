"""Real servers on loopback. Nothing is installed here, and nothing is skipped if one is missing."""

from collections.abc import Iterator

import pytest

from storage.ports import Backend
from tests.servers.ceph import Ceph, running
from tests.support.backends.kinds import NAME, BackendCase


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
