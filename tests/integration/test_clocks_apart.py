"""Clocks that differ: that of the machine from the database's, or of one process from another's."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from storage import DataClass, NotFound, Purpose, Reason, RecordId, Scope, Store
from storage.clock import CatalogClock
from storage.errors import Erased, Expired
from storage.model import ErasureState
from storage.testing import SERVICE, Domicile
from storage.testing.clock import SkewedClock
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
AHEAD_AND_BEHIND = [(fast, slow) for fast in (APART, -APART) for slow in (APART, -APART)]


def test_a_hold_keeps_what_a_fast_clock_has_minted(domicile: Domicile) -> None:
    """Also if the clock of the process that places it is slow."""
    domicile.tenant()
    clocks = domicile.clock.skewed(APART), domicile.clock.skewed(-APART)
    with domicile.open_another(clocks[0]) as fast, domicile.open_another(clocks[1]) as slow:
        fast.tenant("acme-eu").put(PROMPT, b"mine", subject="u")
        placed = slow.admin.holds.place(hold_spec(Scope.subject("u")))

    assert placed.records == 1


@pytest.mark.parametrize(("minting", "erasing"), AHEAD_AND_BEHIND)
def test_an_erasure_covers_what_any_process_minted_before_and_nothing_minted_after(
    domicile: Domicile, minting: timedelta, erasing: timedelta
) -> None:
    """Each clock may be ahead or behind by the bound. It waits for twice that, by right clocks."""
    domicile.tenant()
    clocks = domicile.clock.skewed(minting), domicile.clock.skewed(erasing)
    with domicile.open_another(clocks[0]) as one, domicile.open_another(clocks[1]) as other:
        before, after = around_an_erasure(one, other)
        began = domicile.clock.now()
        erase(domicile.store.tenant("acme-eu"), Scope.subject("another"))
        waited = domicile.clock.now() - began

    with pytest.raises(Erased):
        domicile.store.tenant("acme-eu").bind(SERVICE).get(before, purpose=SERVE)
    assert domicile.store.tenant("acme-eu").bind(SERVICE).get(after, purpose=SERVE).body == b"after"
    assert 2 * APART <= waited < 2 * APART + timedelta(seconds=1)


@pytest.mark.parametrize("by", [APART, -APART])
def test_clocks_that_agree_with_each_other_need_not_agree_with_the_database(
    domicile: Domicile, by: timedelta
) -> None:
    """Its clock was set while processes ran, or another server took over: they ask once a minute.

    The bound does not hold then, and an erasure still covers what was minted before it alone.
    """
    domicile.tenant()
    clock = SkewedClock(domicile.clock, by)  # nobody knows: the error of all clocks stays zero
    with domicile.open_another(clock) as one, domicile.open_another(clock) as other:
        before, after = around_an_erasure(one, other)
        t = one.tenant("acme-eu").bind(SERVICE)

        with pytest.raises(Erased):
            t.get(before, purpose=SERVE)
        assert t.get(after, purpose=SERVE).body == b"after"


@dataclass(frozen=True, slots=True)
class CorrectedClock(SkewedClock):
    """The database's clock is an hour behind when it is asked for the second time."""

    asked: list[datetime] = field(default_factory=list)

    def ask(self) -> datetime:
        """Return the time of the database."""
        self.asked.append(self.clock.now())
        return self.asked[-1] - timedelta(hours=len(self.asked) == 2)


def test_an_erasure_does_not_wait_for_a_clock_that_is_right_again(domicile: Domicile) -> None:
    """The database's was set back, and corrected: it is asked again before an hour is over."""
    domicile.tenant()
    clock = CorrectedClock(domicile.clock, timedelta())
    with domicile.open_another(clock) as other:
        began = domicile.clock.now()
        erase(other.tenant("acme-eu"))
        waited = domicile.clock.now() - began

    assert len(clock.asked) > 2
    assert waited < timedelta(seconds=5)


def around_an_erasure(minting: Store, erasing: Store) -> tuple[RecordId, RecordId]:
    """Put a record with one process before, and one after another process erases their subject."""
    t = minting.tenant("acme-eu")
    before = t.put(PROMPT, b"before", subject="u").id
    erase(erasing.tenant("acme-eu"))
    return before, t.put(PROMPT, b"after", subject="u").id
