"""Fixtures for the tests of faults."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.testing import Domicile, Gate
from tests.support.faults.transactions import CatalogFaults, watching
from tests.support.inspect.stored import home


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that wait while the test continues."""
    with ThreadPoolExecutor(8, "aside") as pool:
        yield pool


@pytest.fixture
def gate(aside: ThreadPoolExecutor) -> Iterator[Gate]:
    """A gate that opens when the test ends, also if it fails."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def faults(domicile: Domicile) -> Iterator[CatalogFaults]:
    """Faults between the store and the home region's catalog."""
    with watching(home(domicile).catalog) as found:
        yield found
