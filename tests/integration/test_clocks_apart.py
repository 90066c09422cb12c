"""Clocks that differ: that of the machine from the database's, or of one process from another's."""

from datetime import timedelta

import pytest

from storage import DataClass, NotFound, Purpose, Reason, Scope
from storage.clock import CatalogClock
from storage.errors import Erased, Expired
from storage.model import ErasureState
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase
from tests.support.holds import hold_spec
from tests.support.inspect.stored import OF_THE_REGION

HOME, PROMPT, SERVE = "eu-central-1", DataClass.PROMPT, Purpose.SERVE


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), -timedelta(days=400)])
def test_nothing_is_destroyed_until_they_agree(domicile: Domicile, ahead: timedelta) -> None:
    """Reads and writes continue. Due work waits, visibly, and is done afterwards."""
    t = domicile.tenant()
    kept = t.put(PROMPT, b"kept").id
    erasure = t.erase(Scope.record(t.put(PROMPT, b"erased").id), reason=Reason.CUSTOMER_REQUEST)
    domicile.clock.machine_ahead = ahead

    domicile.run_worker()

    assert t.get(kept, purpose=SERVE).body == b"kept"
    assert t.put(PROMPT, b"later").stored
    assert domicile.store.erasure(erasure.id).state is ErasureState.FENCED
    assert domicile.store.status().regions[0].clocks_disagree
    domicile.pass_time(days=31)
    before = held(domicile)
    domicile.run_worker()
    assert held(domicile) == before
    with pytest.raises(Expired):
        t.get(kept, purpose=SERVE)

    domicile.clock.machine_ahead = timedelta()
    domicile.run_worker()
    domicile.pass_time(hours=1)
    domicile.run_worker()
    assert held(domicile) == 0
    assert not domicile.store.status().regions[0].clocks_disagree
    with pytest.raises(NotFound):
        t.get(kept, purpose=SERVE)


def held(domicile: Domicile) -> int:
    """Return the number of objects on the backends, without ledger and log."""
    traces = (trace for backend in domicile.backends.values() for trace in backend.scan(""))
    return sum(not trace.key.startswith(OF_THE_REGION) for trace in traces)


def test_a_machine_whose_clock_is_wrong_is_found_out(domicile: Domicile) -> None:
    """A clock compares the database's time with the machine's."""
    catalog = domicile.homes.served(HOME).region.catalog
    real = CatalogClock(catalog)
    wrong = CatalogClock(catalog, wall=lambda: real.now().timestamp() + 3600)

    assert real.skew() < timedelta(seconds=5)
    assert timedelta(minutes=59) < wrong.skew() < timedelta(minutes=61)


APART = timedelta(seconds=3)


def test_what_a_fast_clock_has_minted_is_covered_by_a_process_whose_clock_is_slow(
    domicile: Domicile,
) -> None:
    """By its hold and its erasure, which returns once every clock is past the last covered id."""
    domicile.tenant()
    clocks = domicile.clock.skewed(APART), domicile.clock.skewed(-APART)
    with domicile.open_another(clocks[0]) as fast, domicile.open_another(clocks[1]) as slow:
        mine = fast.tenant("acme-eu").put(PROMPT, b"mine", subject="u").id
        placed = slow.admin.holds.place(hold_spec(Scope.subject("u")))
        assert placed.records == 1

        began = domicile.clock.now()
        erase(slow.tenant("acme-eu"))
        waited = domicile.clock.now() - began

    with pytest.raises(Erased):
        domicile.store.tenant("acme-eu").bind(SERVICE).get(mine, purpose=SERVE)
    assert 4 * APART <= waited < 4 * APART + timedelta(seconds=1)
