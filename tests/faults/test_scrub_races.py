"""A scrub beside puts, purges, replications and compactions reports no damage."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.model import DataClass
from storage.ports import StoredItem
from storage.testing import Domicile, Gate
from tests.support.actions import erase, get, is_complete, packs_on, work
from tests.support.faults.put_gates import STOPS, Stop
from tests.support.faults.steps import Steps, step_catalog
from tests.support.faults.transactions import CatalogFaults
from tests.support.inspect.stored import home
from tests.support.scrubs import Listing, keys_of, of_the_log, scrubbed, traces_of

pytestmark = pytest.mark.one_region

CALLS = ("scan", "list_key", "get", "purge")
MOMENTS = 18  # of a scrub of two objects and more


def put(domicile: Domicile) -> None:
    """Put a record."""
    domicile.store.tenant("acme-eu").put(DataClass.PROMPT, b"new", subject="u")


def purge(domicile: Domicile) -> None:
    """Erase, purge and prune all records of a subject, and put a new one."""
    erase(domicile.store.tenant("acme-eu"))
    work(domicile)
    put(domicile)


def replicate(domicile: Domicile) -> None:
    """Replicate what one backend missed."""
    domicile.take_down("eu-a")
    put(domicile)
    domicile.bring_back("eu-a")
    work(domicile)


@pytest.fixture
def steps(domicile: Domicile) -> Steps:
    """Store some packs; return the steps of a scrub of them."""
    domicile.tenant()
    for _ in range(3):
        put(domicile)
    work(domicile)
    made = Steps(busy=True)
    step_catalog(home(domicile).catalog, made)
    for call in CALLS:
        domicile.backends["eu-a"].fail_before[call] = lambda _: made.step()
        domicile.backends["eu-a"].fail_after[call] = lambda _: made.step()
    return made


@pytest.mark.parametrize("other", [put, purge, replicate])
def test_at_every_moment_of_a_scrub(
    domicile: Domicile, steps: Steps, other: Callable[[Domicile], None]
) -> None:
    """Another operation between any two steps of a scrub causes no finding."""
    for moment in range(1, MOMENTS):
        steps.seen, steps.busy = 0, False
        steps.due = [(moment, lambda: other(domicile))]
        found = scrubbed(domicile, share=1.0)
        steps.busy = True

        assert (found, steps.due) == ({}, []), moment
    work(domicile)
    assert scrubbed(domicile, "eu-b", 1.0) == {}


@pytest.mark.parametrize("stop", STOPS)
def test_in_the_middle_of_a_put(
    domicile: Domicile, gate: Gate, faults: CatalogFaults, aside: ThreadPoolExecutor, stop: Stop
) -> None:
    """The put is stopped when announced, on one backend, or on both and not committed."""
    domicile.tenant()
    put(domicile)
    stop(domicile, faults, gate)
    putting = aside.submit(put, domicile)
    assert gate.reached.wait(30)
    found = [scrubbed(domicile, name, 1.0) for name in ("eu-a", "eu-b")]
    gate.open.set()
    putting.result(30)

    assert found == [{}, {}]
    assert len(keys_of(domicile)) == len(keys_of(domicile, "eu-b")) == 2


@pytest.mark.parametrize("other", [put, purge, replicate])
def test_a_listing_of_before(domicile: Domicile, other: Callable[[Domicile], None]) -> None:
    """A page of a listing may be old: what it shows is checked again."""
    domicile.tenant()
    put(domicile)
    work(domicile)
    within = False

    def stale(found: Iterator[StoredItem]) -> Iterator[StoredItem]:
        nonlocal within
        page = list(found)
        if not within:  # what happens meanwhile lists too
            within = True
            other(domicile)
            within = False
        return iter(page)

    Listing(domicile.backends["eu-a"], stale)

    assert scrubbed(domicile, share=1.0) == {}


def test_a_purge_while_it_looks_again(domicile: Domicile) -> None:
    """A listed replica whose row is gone meanwhile is no orphan."""
    domicile.tenant()
    put(domicile)
    work(domicile)
    backend = domicile.backends["eu-a"]
    Listing(backend, lambda _: iter(()))

    def purged(key: str) -> None:
        if not key.startswith("pack/"):
            return
        backend.fail_after.clear()
        domicile.take_down("eu-b")  # so that the row is not pruned
        purge(domicile)
        domicile.bring_back("eu-b")

    backend.fail_after["list_key"] = purged

    assert scrubbed(domicile) == {}


def test_a_listing_that_leaves_everything_out(domicile: Domicile) -> None:
    """The backend has every key when asked again: no replica is marked as missing."""
    t = domicile.tenant()
    made = t.put(DataClass.PROMPT, b"mine").id
    work(domicile)
    Listing(domicile.backends["eu-a"], lambda _: iter(()))

    assert scrubbed(domicile, share=1.0) == {}
    assert get(t, made) == b"mine"


def test_a_backend_that_shows_nothing_loses_nothing_for_good(domicile: Domicile) -> None:
    """Another, empty bucket is behind its name. Each object keeps a good replica."""
    t = domicile.tenant()
    made = t.put(DataClass.PROMPT, b"mine").id
    work(domicile)
    logged = of_the_log(domicile)
    inner = domicile.backends["eu-a"].inner
    for trace in list(inner.scan()):
        inner.purge(trace.key)

    assert scrubbed(domicile, "eu-a") == {"missing/replacing": 2 + logged}
    assert scrubbed(domicile, "eu-b", 1.0) == {}
    work(domicile, hours=1)
    assert get(t, made) == b"mine"
    assert scrubbed(domicile, "eu-a", 1.0) == {}


def test_what_lands_late_is_purged_and_no_damage(domicile: Domicile) -> None:
    """While a timed-out write may land, its row waits for it."""
    domicile.tenant()
    domicile.backends["eu-a"].land_late = True
    put(domicile)
    domicile.backends["eu-a"].land_late = False
    work(domicile)
    domicile.backends["eu-a"].land()

    assert scrubbed(domicile, share=1.0) == {}
    work(domicile, hours=1)
    assert scrubbed(domicile, share=1.0) == {}
    assert len(packs_on(domicile)) == 2


def test_an_erasure_while_a_lost_replica_is_made_anew(domicile: Domicile) -> None:
    """No replica is made of what was erased meanwhile, and in the end there is a receipt."""
    t = domicile.tenant()
    put(domicile)
    work(domicile)
    (key,) = keys_of(domicile)
    domicile.backends["eu-a"].inner.purge(key)
    found = scrubbed(domicile)
    erasure = erase(t)
    work(domicile, hours=1)
    work(domicile, hours=1)

    assert found == {"missing/replacing": 1}
    assert traces_of(domicile, key) == []
    assert packs_on(domicile) == []
    assert is_complete(domicile, erasure)
