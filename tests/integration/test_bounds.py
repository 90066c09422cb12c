"""The most memory and connections that a process may use."""

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from sqlalchemy import text

from storage import DataClass, Purpose, open_store
from storage.dependencies import Dependencies
from storage.testing import Domicile
from storage.testing.harness import Kind
from tests.support.inspect.stored import home_of

MIB = 1024 * 1024
SIZE = 96 * MIB


@pytest.fixture
def domicile_backends() -> Kind:
    """Real files: backends in memory would count as memory of the process."""
    return "directory"


def pieces(size: int) -> Iterator[bytes]:
    """Yield a file that is never in memory as a whole."""
    random = Random(1)
    for _ in range(size // MIB):
        yield random.randbytes(MIB)


def test_a_file_of_any_size_takes_the_same_memory(domicile: Domicile) -> None:
    """Writing and reading take much less memory than the file is long."""
    t = domicile.tenant()
    t.put_file(pieces(MIB))  # what is loaded once is not counted
    tracemalloc.start()
    try:
        file = t.put_file(pieces(SIZE)).id
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with t.open(file, purpose=Purpose.SERVE) as opened:
            for n, piece in enumerate(pieces(SIZE)):
                assert opened.read_range(n * MIB, (n + 1) * MIB) == piece
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert written < SIZE / 3
    assert read < SIZE / 3


def test_no_more_connections_than_the_settings_allow(domicile: Domicile) -> None:
    """Thirty-two threads share three connections, and one more for the clock."""
    domicile.tenant()
    settings = domicile.settings.model_copy(update={"connections": 3})
    domicile.stack.close()
    dependencies = Dependencies(backend=domicile._backend, probing=False)
    with open_store(settings, dependencies=dependencies, log=domicile.log) as store:
        t = store.tenant("acme-eu")
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda n: t.put(DataClass.PROMPT, b"%d" % n), range(200)))
        catalog = home_of(store).catalog
        with catalog.begin() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            open_now = connection.scalar(text(query))

    assert 2 <= open_now <= 4
