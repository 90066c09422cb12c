"""The end of a region that races with what begins in it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.catalog import stages
from storage.errors import RegionNotRoutable, Unavailable
from storage.objects import control
from storage.policy import Stage
from storage.retirement import Remaining, retire
from storage.testing import Domicile, Gate
from tests.support.actions import work
from tests.support.faults.transactions import CatalogFaults, ran
from tests.support.inspect.stored import HOME, home, wait_until

pytestmark = pytest.mark.one_region

ANNOUNCING = ran("INSERT INTO object")


def run(domicile: Domicile) -> Remaining | str:
    """Retire the region, as a process of its own."""
    return retire(domicile.settings, HOME, domicile.log, dependencies=domicile.dependencies)


def stage(domicile: Domicile) -> Stage | None:
    """Return the stage of the region."""
    with home(domicile).catalog.begin() as connection:
        return stages.latest(connection)


def test_a_new_tenant_comes_before_the_end_or_not_at_all(
    domicile: Domicile, faults: CatalogFaults, gate: Gate, aside: ThreadPoolExecutor
) -> None:
    """The end waits for the tenant that is being made, and counts it."""
    faults.at_commit(ran("INSERT INTO tenant"), before=lambda _: gate.wait())
    making = aside.submit(domicile.tenant)
    assert gate.reached.wait(30)
    ending = aside.submit(run, domicile)
    wait_until(lambda: faults.lock_waiters() == 1)
    gate.open.set()

    making.result(30)
    found = ending.result(30)
    assert isinstance(found, Remaining)
    assert found.counts == {"tenants": 1}
    with pytest.raises(RegionNotRoutable):
        domicile.tenant("another")


def test_a_statement_waits_for_what_is_being_announced(
    domicile: Domicile, faults: CatalogFaults, gate: Gate, aside: ThreadPoolExecutor
) -> None:
    """A control of another process, whose row was not visible when the region was empty."""
    work(domicile, hours=1)
    region = home(domicile)
    faults.at_commit(ANNOUNCING, before=lambda _: gate.wait())
    planting = aside.submit(control.plant, region, ["eu-a"])
    assert gate.reached.wait(30)
    ending = aside.submit(run, domicile)
    wait_until(lambda: faults.lock_waiters() == 1)
    gate.open.set()

    planted = planting.result(30)
    with pytest.raises(Unavailable, match="of its own to purge"):
        ending.result(30)
    assert stage(domicile) is Stage.RETIRING
    assert control.check(region, planted) == {"eu-a": None}
    assert isinstance(run(domicile), str)
    assert stage(domicile) is Stage.RETIRED
