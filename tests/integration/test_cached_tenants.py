"""The terms of tenants that a process remembers: how old, how many, and what reading them costs."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Connection, event

from storage import CatalogUnavailable, DataClass, TenantSpec
from storage.catalog import tenants
from storage.catalog.tenants import TenantTerms
from storage.client.homes import Homes
from storage.client.regions import ServedRegions
from storage.clock import steady
from storage.testing import Domicile
from tests.support.inspect.stored import HOME

pytestmark = pytest.mark.one_region

NAMES = [f"acme-{n}" for n in range(8)]


class Counter:
    """A counter of seconds that the test sets, and the requests to the catalog."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.requests = 0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.seconds


@pytest.fixture
def counter() -> Counter:
    """What the cache's age is counted by."""
    return Counter()


@pytest.fixture
def homes(domicile: Domicile, counter: Counter) -> Iterator[Homes]:
    """The regions of a process, whose cache of tenants is empty."""
    for name in NAMES:
        keep(domicile, name, 30)
    served = domicile.homes.served(HOME)

    def count(*_: object) -> None:
        counter.requests += 1

    event.listen(served.region.catalog.engine, "before_cursor_execute", count)
    with ExitStack() as stack:
        regions = ServedRegions({HOME: lambda _: served}, stack, clock=steady, seconds=0.0)
        yield Homes(regions, clock=counter)
    event.remove(served.region.catalog.engine, "before_cursor_execute", count)


def keep(domicile: Domicile, name: str, days: int) -> None:
    """Make a tenant, or change its terms, as another process does."""
    spec = TenantSpec(name, "acme", HOME, "EU", retention={DataClass.PROMPT: days})
    domicile.store.admin.tenants.ensure(spec)


def kept(homes: Homes, name: str) -> int:
    """Return the term that a process takes for the tenant's."""
    (days,) = homes.find(name)[1].spec.retention.values()
    return days


def requests(homes: Homes, counter: Counter, *names: str) -> int:
    """Return how many requests it takes to find tenants."""
    before = counter.requests
    for name in names:
        homes.find(name)
    return counter.requests - before


def test_those_in_use_are_read_again_together(homes: Homes, counter: Counter) -> None:
    """Many tenants that write in turns cost as few requests as two."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    of_two = requests(homes, counter, *NAMES[:2])
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    of_all = requests(homes, counter, *NAMES)

    assert 0 < of_all <= of_two


def test_one_that_is_not_used_any_more_is_not_read_for_ever(homes: Homes, counter: Counter) -> None:
    """Once more at most."""
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tenants, "find_all", counting(asked))
        requests(homes, counter, *NAMES)
        for _ in range(3):
            counter.seconds += 5
            homes.find(NAMES[0])

    assert sum(asked[len(NAMES) :]) == 3 + len(NAMES) - 1


def counting(asked: list[int]) -> object:
    """Return ``find_all`` that notes of how many tenants it was asked."""
    real = tenants.find_all

    def find_all(connection: Connection, ids: list[str]) -> dict[str, TenantTerms]:
        asked.append(len(ids))
        return real(connection, ids)

    return find_all


def test_threads_do_not_read_the_same_ones_again(
    homes: Homes, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one thread reads those in use, another one reads its own tenant alone."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    asked, real = list[int](), tenants.find_all

    def find_all(connection: Connection, ids: list[str]) -> dict[str, TenantTerms]:
        asked.append(len(ids))
        if len(ids) > 1 and len(asked) == 2:  # the second thread comes just now
            homes.find(NAMES[1])
        return real(connection, ids)

    monkeypatch.setattr(tenants, "find_all", find_all)
    homes.find(NAMES[0])

    assert asked == [1, len(NAMES) - 1, 1]


@pytest.mark.parametrize("most", [0, 1])
def test_those_in_use_are_read_together_after_an_outage_too(
    homes: Homes, counter: Counter, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Whether it began before a tenant was read, or while the others in use were."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    real = tenants.find_all

    def find_all(connection: Connection, ids: list[str]) -> dict[str, TenantTerms]:
        if len(ids) > most:
            raise CatalogUnavailable
        return real(connection, ids)

    with monkeypatch.context() as patched:
        patched.setattr(tenants, "find_all", find_all)
        for name in NAMES:
            with pytest.raises(CatalogUnavailable):
                homes.find(name)

    asked: list[int] = []
    monkeypatch.setattr(tenants, "find_all", counting(asked))
    homes.find(NAMES[0])
    assert asked == [1, len(NAMES) - 1]


def test_no_terms_are_older_than_five_seconds(
    domicile: Domicile, homes: Homes, counter: Counter
) -> None:
    """Also those that were read with another tenant's."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    homes.find(NAMES[0])
    keep(domicile, NAMES[1], 20)
    before = kept(homes, NAMES[1])
    counter.seconds += 5

    assert (before, kept(homes, NAMES[1])) == (30, 20)


def test_terms_that_were_dropped_while_they_were_read_are_read_again(
    domicile: Domicile, homes: Homes, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were changed by this process, which must see that at once."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    real = tenants.find_all

    def find_all(connection: Connection, ids: list[str]) -> dict[str, TenantTerms]:
        found = real(connection, ids)
        if NAMES[1] in ids and len(ids) > 1:
            keep(domicile, NAMES[1], 20)
            homes.invalidate(NAMES[1])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(tenants, "find_all", find_all)
        homes.find(NAMES[0])

    assert kept(homes, NAMES[1]) == 20


def test_a_tenant_that_cannot_be_read_hinders_no_other(
    homes: Homes, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer code may have given it what this code does not know."""
    requests(homes, counter, *NAMES)
    counter.seconds += 5
    real = tenants.find_all

    def find_all(connection: Connection, ids: list[str]) -> dict[str, TenantTerms]:
        if NAMES[1] in ids:
            raise ValueError("a new trait")
        return real(connection, ids)

    monkeypatch.setattr(tenants, "find_all", find_all)

    assert homes.find(NAMES[0])[1].spec.id == NAMES[0]
    with pytest.raises(ValueError, match="a new trait"):
        homes.find(NAMES[1])


def test_the_cache_is_bounded(
    homes: Homes, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was used last is kept."""
    monkeypatch.setattr("storage.client.homes._MOST", 3)
    requests(homes, counter, *NAMES[:3], NAMES[0], NAMES[3])

    assert requests(homes, counter, NAMES[0], NAMES[2], NAMES[3]) == 0
    assert requests(homes, counter, NAMES[1]) > 0
