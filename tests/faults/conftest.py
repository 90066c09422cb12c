"""What the tests of faults share."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.testing import Domicile
from tests.support.commits import CatalogFaults, watching
from tests.support.looking import home


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for what waits while the test goes on."""
    with ThreadPoolExecutor(8, "aside") as pool:
        yield pool


@pytest.fixture
def faults(domicile: Domicile) -> Iterator[CatalogFaults]:
    """Faults between the store and its catalog."""
    with watching(home(domicile).catalog) as found:
        yield found
