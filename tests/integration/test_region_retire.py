"""A region ends: no new tenant, nothing left, and a signed statement."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from os import urandom

import pytest
from sqlalchemy import func, select

from storage.bootstrap import open_store
from storage.catalog import exports, identity, remains, retirements, schema, stages
from storage.catalog import tables as t
from storage.catalog.engine import Catalog
from storage.dependencies import Dependencies, make_catalog
from storage.errors import (
    BackendError,
    CatalogRestored,
    DomicileError,
    RegionNotRoutable,
    Unavailable,
)
from storage.evidence.retirements import verify_region
from storage.model import DataClass, Dpa, Scope, TenantSpec
from storage.objects import control
from storage.policy import Stage
from storage.retirement import Remaining, retire
from storage.testing import Domicile
from storage.testing.connections import watching
from tests.support.actions import erase, get, work
from tests.support.faults.steps import Killed
from tests.support.holds import place_hold
from tests.support.inspect.stored import HOME, home

US = TenantSpec("acme-us", "acme", "us-east-1", "US", agreements=[Dpa(signed=date(2026, 1, 5))])


def run(domicile: Domicile, dependencies: Dependencies | None = None) -> Remaining | str:
    """Retire the region that the tests work in, as a process of its own."""
    means = dependencies or domicile.dependencies
    return retire(domicile.settings, HOME, domicile.log, dependencies=means)


def token_of(found: Remaining | str) -> str:
    """Return the statement, if it is one."""
    assert isinstance(found, str), found
    return found


def left(domicile: Domicile) -> dict[str, int]:
    """Retire the region, which is not empty. Return what is left."""
    found = run(domicile)
    assert isinstance(found, Remaining), found
    return dict(found.counts)


def stage(domicile: Domicile) -> Stage | None:
    """Return the stage of the region."""
    with home(domicile).catalog.begin() as connection:
        return stages.latest(connection)


def on_backends(domicile: Domicile) -> list[str]:
    """Return the keys of everything that is on the backends of the region."""
    names = home(domicile).backends
    return [trace.key for name in names for trace in domicile.backends[name].inner.scan()]


def export(domicile: Domicile) -> None:
    """Note that all evidence was exported."""
    with home(domicile).catalog.begin() as connection:
        while page := exports.unexported(connection, 100):
            exports.mark(connection, page, urandom)


@pytest.fixture
def vacant(domicile: Domicile) -> Domicile:
    """A region in which a tenant was, with day keys and a ledger."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    erase(t, Scope.tenant())
    for hours in (1, 73, 1):
        work(domicile, hours=hours)
    domicile.store.admin.tenants.remove("acme-eu")
    export(domicile)
    return domicile


def statements(domicile: Domicile) -> int:
    """Return how many statements there are."""
    with home(domicile).catalog.begin() as connection:
        return connection.scalar(select(func.count()).select_from(t.region_statement)) or 0


def test_from_the_last_tenant_to_the_statement(domicile: Domicile) -> None:
    """Each step says what is left; at the end nothing is, and a stranger can check it."""
    tenant = domicile.tenant()
    mine = tenant.put(DataClass.PROMPT, b"mine", subject="u").id

    found = run(domicile)

    assert isinstance(found, Remaining)
    assert found.counts == {"tenants": 1, "records": 1, "objects_with_content": 1}
    assert found.tenants == (("acme-eu", "acme"),)
    assert stage(domicile) is Stage.RETIRING
    with pytest.raises(RegionNotRoutable, match="takes no new tenant"):
        domicile.tenant("another")
    domicile.tenant(retention={DataClass.PROMPT: 29})  # what is there goes on
    tenant.put(DataClass.PROMPT, b"later")
    assert get(tenant, mine) == b"mine"

    erase(tenant, Scope.tenant())
    assert left(domicile)["open_erasures"] == 1
    for hours in (1, 73, 1):
        work(domicile, hours=hours)
    assert left(domicile) == {"tenants": 1, "receipts_not_exported": 1}
    export(domicile)
    domicile.store.admin.tenants.remove("acme-eu")
    assert on_backends(domicile)
    region = home(domicile)
    statement = verify_region(token_of(run(domicile)), region.signing.public_key())

    assert on_backends(domicile) == []
    assert (statement.region, statement.jurisdiction) == (HOME, "EU")
    assert [each.backend for each in statement.backends] == ["eu-a", "eu-b"]
    assert (statement.receipts, statement.entries) == (1, 1)
    assert statement.head is not None
    assert stage(domicile) is Stage.RETIRED
    with pytest.raises(RegionNotRoutable, match="is retired"):
        domicile.open()


def test_again_it_gives_the_same_statement(vacant: Domicile) -> None:
    """Who was interrupted before it was printed finds it."""
    token = token_of(run(vacant))

    assert run(vacant) == token
    assert statements(vacant) == 1


def test_twice_at_once(vacant: Domicile) -> None:
    """One statement, whoever signs it."""

    def attempt(_: int) -> object:
        with suppress(Unavailable):  # the other one is in the way: it says so
            return run(vacant)
        return None

    with ThreadPoolExecutor(2) as pool:
        found = {each for each in pool.map(attempt, range(2)) if each is not None}

    assert found <= {token_of(run(vacant))}
    assert (statements(vacant), on_backends(vacant)) == (1, [])


@pytest.mark.parametrize("at", range(3, 190, 26))
def test_interrupted_at_any_statement_and_run_again(vacant: Domicile, at: int) -> None:
    """The connection to the catalog is lost there: nothing is signed too early, or twice."""
    with ExitStack() as stack:

        def catalog(region: object, url: str, connections: int) -> Catalog:
            made = make_catalog(region, url, connections)  # type: ignore[arg-type]
            stack.enter_context(watching(made)).kill_at = at
            return made

        with suppress(DomicileError):
            run(vacant, replace(vacant.dependencies, catalog=catalog))
    if statements(vacant):
        assert on_backends(vacant) == []
    vacant.pass_time(hours=1)

    token_of(run(vacant))

    assert (statements(vacant), on_backends(vacant)) == (1, [])


@pytest.mark.parametrize("what", ["plant", "purge", "list_key", "scan"])
@pytest.mark.parametrize("number", [0, 1])
def test_interrupted_at_a_backend_and_run_again(vacant: Domicile, what: str, number: int) -> None:
    """The process dies there; what it left is purged by the next one."""
    calls = 0

    def die(_: str) -> None:
        nonlocal calls
        calls += 1
        if calls > number:
            raise Killed

    vacant.backends["eu-b"].fail_before[what] = die
    with suppress(Killed, DomicileError):
        run(vacant)
    assert statements(vacant) == (calls <= number)
    vacant.backends["eu-b"].fail_before.clear()
    vacant.pass_time(hours=1)

    token_of(run(vacant))

    assert (statements(vacant), on_backends(vacant)) == (1, [])


@pytest.mark.parametrize("name", ["eu-a", "eu-b"])
def test_a_backend_that_does_not_answer_keeps_it_open(vacant: Domicile, name: str) -> None:
    """No statement without a look at every backend."""
    vacant.take_down(name)

    with pytest.raises(Unavailable):
        run(vacant)

    assert (stage(vacant), statements(vacant)) == (Stage.RETIRING, 0)
    vacant.bring_back(name)
    vacant.pass_time(hours=1)
    token_of(run(vacant))


def test_bytes_that_no_row_knows_keep_it_open(vacant: Domicile) -> None:
    """They may be somebody's data."""
    vacant.backends["eu-b"].inner.put("pack/lost", b"data", timeout=1)

    with pytest.raises(Unavailable, match="eu-b has bytes that no row"):
        run(vacant)

    assert (stage(vacant), statements(vacant)) == (Stage.RETIRING, 0)


def test_a_listing_without_its_control_is_not_believed(vacant: Domicile) -> None:
    """An empty listing may be that of a backend that lists nothing."""
    token = None
    inner = vacant.backends["eu-b"].inner
    inner.scan = lambda *_, **__: iter(())  # type: ignore[method-assign]

    with pytest.raises(BackendError, match="lacks its control"):
        token = run(vacant)

    assert (token, stage(vacant), statements(vacant)) == (None, Stage.RETIRING, 0)


def test_a_restored_catalog_destroys_nothing(vacant: Domicile) -> None:
    """It may lack a hold: the guard is asked before anything is marked."""
    before = on_backends(vacant)
    with home(vacant).catalog.begin() as connection:
        identity.begin_recovery(connection)

    with pytest.raises(CatalogRestored):
        run(vacant)

    assert on_backends(vacant) == before


def test_an_unread_ledger_may_have_a_hold(vacant: Domicile) -> None:
    """Of a backend that did not answer when the catalog was recovered."""
    with home(vacant).catalog.begin() as connection:
        identity.set_unread(connection, ["eu-b"])

    assert left(vacant) == {"backends_with_an_unread_ledger": 1}


def test_a_hold_keeps_the_region(domicile: Domicile) -> None:
    """Whatever else is gone."""
    domicile.tenant()
    place_hold(domicile)
    before = on_backends(domicile)

    assert left(domicile) == {"tenants": 1, "holds_in_force": 1}
    assert on_backends(domicile) == before


def test_after_the_statement_nothing_is_announced(vacant: Domicile) -> None:
    """A process that had the region open before cannot write to a backend that was seen empty."""
    token_of(run(vacant))

    with pytest.raises(RegionNotRoutable, match="nothing is written"):
        control.plant(home(vacant), ["eu-a"])

    assert on_backends(vacant) == []


def test_what_is_announced_before_the_statement_keeps_it_open(vacant: Domicile) -> None:
    """A control of another process, announced while the backends are listed."""
    region, planted = home(vacant), list[control.Control]()

    def plant(prefix: str) -> None:
        if not prefix and not planted:  # the last listing; eu-a was seen empty
            planted.append(control.plant(region, ["eu-a"]))

    vacant.backends["eu-b"].fail_before["scan"] = plant
    with pytest.raises(Unavailable):
        run(vacant)

    assert planted
    assert (stage(vacant), statements(vacant)) == (Stage.RETIRING, 0)
    vacant.pass_time(hours=1)
    token_of(run(vacant))
    assert on_backends(vacant) == []


def test_the_head_of_the_ledger_is_noted_before_it_is_purged(vacant: Domicile) -> None:
    """Interrupted in between, the statement still has it."""
    region = home(vacant)
    vacant.take_down("eu-b")
    with suppress(Unavailable):
        run(vacant)
    with region.catalog.begin() as connection:
        known = retirements.under_way(connection)
        assert known is not None
        assert (known.entries, len(known.head)) == (1, 32)
        assert remains.own(connection)
    vacant.bring_back("eu-b")
    vacant.pass_time(hours=1)

    statement = verify_region(token_of(run(vacant)), region.signing.public_key())

    assert (statement.entries, statement.head) == (1, known.head.hex())


def test_the_statement_is_not_migrated_away(vacant: Domicile) -> None:
    """It is evidence."""
    token_of(run(vacant))

    with (
        pytest.raises(RuntimeError, match="keep them"),
        home(vacant).catalog.begin() as connection,
    ):
        schema.downgrade(connection, "0014")


def test_services_do_not_open_a_retired_region(vacant: Domicile) -> None:
    """The other regions go on."""
    token_of(run(vacant))

    with open_store(
        vacant.settings, dependencies=vacant.dependencies, require=["us-east-1"], log=vacant.log
    ) as store:
        assert list(store.status().failed) == [HOME]
        store.admin.tenants.ensure(US)
        store.admin.tenants.remove("acme-us")
