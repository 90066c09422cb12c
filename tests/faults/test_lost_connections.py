"""Connections to a catalog that end: what costs no caller, and what is left at the server."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from storage.catalog.engine import Catalog
from storage.errors import CatalogUnavailable
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.actions import get
from tests.support.catalogs.databases import HOME
from tests.support.catalogs.limits import calls, shorten_transactions
from tests.support.faults.transactions import CatalogFaults, watching
from tests.support.inspect.stored import home

_END_ALL = text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def faults(domicile: Domicile) -> Iterator[CatalogFaults]:
    """Watch the catalog of the home."""
    with watching(home(domicile).catalog) as faults:
        yield faults


def pid_of(connection: Connection) -> int:
    """Return the number of the server process of a connection."""
    found: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


def end_all(faults: CatalogFaults) -> None:
    """End every connection at the server, as a restart or a pooler does."""
    with faults.other.connect() as other:
        assert other.execute(_END_ALL).all()


def test_between_two_calls_it_costs_nobody(
    domicile: Domicile, faults: CatalogFaults, subtests: pytest.Subtests
) -> None:
    """Whatever is called next opens another one."""
    todo = calls(domicile.tenant(), domicile)
    todo["worker"] = domicile.run_worker
    todo["alone"] = lambda: home(domicile).catalog.execute_alone("SELECT 1", 10)
    for name, call in todo.items():
        end_all(faults)
        with subtests.test(msg=name):
            call()


def test_in_a_read_it_costs_nobody(domicile: Domicile, faults: CatalogFaults) -> None:
    """A read changes nothing, so it is done again, once."""
    t = domicile.tenant()
    kept = t.put(DataClass.PROMPT, b"kept").id

    faults.kill_at = faults.statements + 1
    assert get(t, kept) == b"kept"

    faults.at_statement(lambda _: True, faults.kill)
    faults.at_statement(lambda _: True, faults.kill)
    with pytest.raises(CatalogUnavailable):
        get(t, kept)
    assert get(t, kept) == b"kept"


def test_a_read_that_is_given_up_leaves_nothing_at_the_server(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """Else those who try again would take all of its connections."""
    t = domicile.tenant()
    kept = t.put(DataClass.PROMPT, b"kept").id
    shorten_transactions(domicile)
    with faults.other.connect() as other:  # it sends no BEGIN of its own
        other.execute(text("BEGIN"))
        other.execute(text("LOCK TABLE record IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(CatalogUnavailable, match="holds a lock"):
            get(t, kept)
        assert faults.lock_waiters() == 0
        other.execute(text("ROLLBACK"))
    assert get(t, kept) == b"kept"


def test_each_connection_is_checked_before_it_is_used(domicile: Domicile) -> None:
    """Two that are opened at the same time may reach two servers, of which one was restored."""
    url = domicile.settings.regions[HOME].catalog_url.get_secret_value()
    catalog = Catalog(HOME, url, connections=4)
    checked: list[int] = []
    catalog.watch(lambda connection: checked.append(pid_of(connection)), lambda: 0.0, age=1.0)
    try:
        with catalog.engine.connect(), catalog.engine.connect():  # opened, and not used yet
            pass
        with catalog.begin() as first, catalog.begin() as second:
            used = [pid_of(first), pid_of(second)]
        catalog.look(pid_of)
        with catalog.begin() as third, catalog.begin() as fourth, catalog.begin() as fifth:
            used.append(({pid_of(x) for x in (third, fourth, fifth)} - set(used)).pop())
    finally:
        catalog.close()
    assert checked == used
