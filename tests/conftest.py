"""What all tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.catalogs.statements import shared_statements

pytest_plugins = ["storage.testing"]

# how long an example may take says nothing on a machine that does other things too
settings.register_profile("domicile", deadline=None)
settings.load_profile("domicile")


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[None]:
    """Compile each SQL statement once."""
    with shared_statements():
        yield
