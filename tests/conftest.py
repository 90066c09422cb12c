"""What all tests share."""

import gc
import os
from collections.abc import Collection, Iterator

import pytest
from hypothesis import settings

from tests.support.catalogs.statements import shared_statements

pytest_plugins = ["storage.testing"]

# how long an example may take says nothing on a machine that does other things too
settings.register_profile("quick", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


gc.disable()  # until all tests are imported, which makes no garbage


def pytest_collection_finish() -> None:
    """Look no more at what was imported: it stays until the process ends.

    The default would look for cycles every 700 objects, which is a tenth of a test run's CPU time.
    """
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[None]:
    """Compile each SQL statement once."""
    with shared_statements():
        yield


@pytest.fixture
def domicile_regions(request: pytest.FixtureRequest) -> Collection[str] | None:
    """One region for tests that are marked so: two take twice the time to open and to work."""
    return ["eu-central-1"] if request.node.get_closest_marker("one_region") else None
