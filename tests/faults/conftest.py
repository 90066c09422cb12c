"""What the tests of faults share."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.testing import Domicile, Gate
from tests.support.faults.transactions import CatalogFaults, watching
from tests.support.inspect.stored import home


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for what waits while the test goes on."""
    with ThreadPoolExecutor(8, "aside") as pool:
        yield pool


@pytest.fixture
def gate(aside: ThreadPoolExecutor) -> Iterator[Gate]:
    """A gate that does not stay shut when a test fails."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def faults(domicile: Domicile) -> Iterator[CatalogFaults]:
    """Faults between the store and its catalog."""
    with watching(home(domicile).catalog) as found:
        yield found
