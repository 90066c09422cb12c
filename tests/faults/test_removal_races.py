"""Removals of a tenant that race with its writes: no record is lost, and none belongs to nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.catalog import tenants
from storage.errors import TenantNotEmpty, TermsChanged, UnknownTenant
from storage.model import DataClass, Purpose
from storage.testing import Domicile, Gate
from tests.support.actions import erase, packs_on, work
from tests.support.faults.transactions import COMMITTING, CatalogFaults, ran
from tests.support.holds import place_hold
from tests.support.inspect.stored import wait_until

Acts = list[Callable[[], object]]


def remove(domicile: Domicile) -> None:
    """Remove the tenant."""
    domicile.store.admin.tenants.remove("acme-eu")


def while_sending(domicile: Domicile, *acts: Callable[[], object]) -> Acts:
    """Act while the next bytes are sent. Return what was not done yet."""
    todo = list(acts)

    def act(_: str) -> None:
        while todo:
            todo.pop(0)()

    domicile.backends["eu-a"].fail_before["put"] = act
    return todo


def test_a_removal_waits_for_a_commit(
    domicile: Domicile, faults: CatalogFaults, gate: Gate, aside: ThreadPoolExecutor
) -> None:
    """The record is acknowledged, and so it keeps its tenant."""
    t = domicile.tenant()
    faults.at_commit(COMMITTING, before=lambda _: gate.wait())
    put = aside.submit(t.put, DataClass.PROMPT, b"mine")
    assert gate.reached.wait(30)
    removal = aside.submit(remove, domicile)
    wait_until(lambda: faults.lock_waiters() == 1)
    gate.open.set()

    with pytest.raises(TenantNotEmpty):
        removal.result(30)
    assert t.get(put.result(30).id, purpose=Purpose.SERVE).body == b"mine"


@pytest.mark.parametrize("again", [False, True])
def test_a_write_under_way_stores_nothing(domicile: Domicile, *, again: bool) -> None:
    """It is refused at its commit, also if the tenant was made again with other terms."""
    t = domicile.tenant()
    acts: Acts = [lambda: remove(domicile)]
    if again:
        acts.append(lambda: domicile.tenant(retention={DataClass.PROMPT: 3}))
    todo = while_sending(domicile, *acts)

    with pytest.raises(TermsChanged):
        t.put(DataClass.PROMPT, b"mine", subject="u")

    assert not todo
    work(domicile, hours=1)
    assert packs_on(domicile) == []


def test_a_tenant_that_is_made_again_meanwhile_is_known_everywhere(domicile: Domicile) -> None:
    """A process that serves another region alone must not give its name a second home."""
    domicile.tenant()
    with domicile.catalog_faults("us-east-1") as faults:
        faults.at_commit(ran("INSERT INTO directory"), after=lambda _: remove(domicile))
        domicile.tenant(retention={DataClass.PROMPT: 3})

    other = domicile.homes.served("us-east-1").region
    with other.catalog.begin() as connection:
        assert tenants.home_of(connection, "acme-eu") == "eu-central-1"


@pytest.mark.parametrize("what", ["hold", "erasure"])
def test_an_event_under_way_is_refused(domicile: Domicile, what: str) -> None:
    """A hold on nobody would keep its region for ever; an erasure of nobody erases nothing."""
    t = domicile.tenant()
    todo = while_sending(domicile, lambda: remove(domicile))

    with pytest.raises(UnknownTenant):
        place_hold(domicile) if what == "hold" else erase(t)

    assert not todo
    assert domicile.store.erasures("eu-central-1") == []
    assert domicile.store.admin.holds.list("eu-central-1") == []
