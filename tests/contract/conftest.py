"""Fixtures of the contract of backends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.ports import Backend
from storage.testing.s3 import S3Server
from tests.support.backends.kinds import CASES, NAME, BackendCase


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """S3 over HTTP, for all tests of a file."""
    with S3Server() as running:
        yield running


@pytest.fixture(params=CASES, ids=NAME)
def case(request: pytest.FixtureRequest, tmp_path: Path, server: S3Server) -> Iterator[BackendCase]:
    """An empty backend of each kind."""
    made: BackendCase = request.param(tmp_path, server)
    yield made
    made.backend.close()


@pytest.fixture
def backend(case: BackendCase) -> Backend:
    """An empty backend of each kind."""
    return case.backend
