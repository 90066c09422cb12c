"""A hold races what destroys the same records: each is held, or gone and reported."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.errors import PurposeRefused
from storage.model import DataClass, ErasureState, NewRecord, PutResult, RecordId, Scope
from storage.testing import Domicile, Gate, fill_up
from tests.support.actions import duty, erase, is_complete, work
from tests.support.faults.transactions import PLANNING, CatalogFaults, ran
from tests.support.holds import (
    SOON,
    held_records,
    open_held,
    place_hold,
    release_holds,
    relocated,
    stored_keys,
)
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    object_states,
    orphans,
    wait_until,
)

pytestmark = pytest.mark.one_region

PLACING = ran("place_hold(")
TURNING = ran("UPDATE day SET state")
CARRYING = ran("INSERT INTO held")


@pytest.fixture
def pair(domicile: Domicile) -> tuple[RecordId, RecordId]:
    """Put prompts of the subjects ``u`` and ``v`` into one pack that expires at midnight."""
    t = domicile.tenant(retention=SOON)
    new = (NewRecord(DataClass.PROMPT, n.encode(), subject=n) for n in ("u", "v"))
    a, b = (r.id for r in t.put_many(new) if isinstance(r, PutResult))
    return a, b


def ends_well(domicile: Domicile) -> None:
    """Require that no work is pending, and that no byte is without a row."""
    for hours in (1, 1, 73, 1, 1):
        work(domicile, hours=hours)
    assert orphans(home(domicile)) == []
    assert object_states(home(domicile), "day_key") == {}
    assert object_states(home(domicile)) == {}


def test_an_erasure_deletes_while_a_hold_is_placed(
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    pair: tuple[RecordId, RecordId],
) -> None:
    """The hold waits for the deletions, keeps what is left, and reports the erasure."""
    t = domicile.store.tenant("acme-eu")
    erasure = erase(t)
    faults.at_commit(PLANNING, before=lambda _: gate.wait())
    planning = aside.submit(duty, domicile, "plan")
    assert gate.reached.wait(30)
    placing = aside.submit(place_hold, domicile, Scope.tenant())
    wait_until(lambda: placing.done() or faults.lock_waiters() > 0)
    assert not placing.done()
    gate.open.set()
    planning.result(30)
    placed = placing.result(30)

    assert (placed.records, placed.erasures) == (1, (erasure.id,))
    assert held_records(domicile, placed) == {pair[1]}
    work(domicile, hours=13)
    ends_well(domicile)
    assert is_complete(domicile, erasure)
    assert open_held(domicile, placed, pair[1]) == b"v"


def test_a_hold_is_placed_while_an_erasure_is_planned(
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    pair: tuple[RecordId, RecordId],
) -> None:
    """The plan waits for the hold, and deletes nothing that it covers."""
    erasure = erase(domicile.store.tenant("acme-eu"))
    faults.at_commit(PLACING, before=lambda _: gate.wait())
    placing = aside.submit(place_hold, domicile)
    assert gate.reached.wait(30)
    planning = aside.submit(duty, domicile, "plan")
    wait_until(lambda: planning.done() or faults.lock_waiters() > 0)
    assert not planning.done()
    gate.open.set()
    placed = placing.result(30)
    planning.result(30)

    assert (placed.records, placed.erasures) == (1, ())
    assert domicile.store.erasure(erasure.id).state is ErasureState.DEFERRED
    assert open_held(domicile, placed, pair[0]) == b"u"


def test_a_day_begins_to_expire_while_a_hold_is_placed(
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    pair: tuple[RecordId, RecordId],
) -> None:
    """The hold is too late for the day: it reports how many records, and keeps none in part."""
    (sample,) = ciphertexts(domicile, pair[0])
    domicile.pass_time(hours=13)
    faults.at_commit(TURNING, before=lambda _: gate.wait())
    expiring = aside.submit(duty, domicile, "expire")
    assert gate.reached.wait(30)
    placing = aside.submit(place_hold, domicile)
    wait_until(lambda: placing.done() or faults.lock_waiters() > 0)
    gate.open.set()
    placed = placing.result(30)
    expiring.result(30)

    assert placed.records == 0
    assert [(day.day, day.records) for day in placed.expiring] == [(pair[0].day, 1)]
    assert held_records(domicile, placed) == set()
    with pytest.raises(PurposeRefused):
        open_held(domicile, placed, pair[0])
    ends_well(domicile)
    assert backends_with(domicile, sample) == set()


def test_a_hold_is_placed_while_a_day_is_about_to_expire(
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    pair: tuple[RecordId, RecordId],
) -> None:
    """The day waits for the hold, and what it covers is relocated."""
    domicile.pass_time(hours=13)
    faults.at_commit(PLACING, before=lambda _: gate.wait())
    placing = aside.submit(place_hold, domicile)
    assert gate.reached.wait(30)
    expiring = aside.submit(duty, domicile, "expire")
    wait_until(lambda: expiring.done() or faults.lock_waiters() > 0)
    assert not expiring.done()
    gate.open.set()
    placed = placing.result(30)
    expiring.result(30)

    assert (placed.records, placed.expiring) == (1, ())
    ends_well(domicile)
    assert relocated(domicile) == {pair[0].unique}
    assert open_held(domicile, placed, pair[0]) == b"u"


def test_a_later_hold_keeps_nothing_of_a_day_that_an_earlier_one_still_keeps(
    domicile: Domicile, pair: tuple[RecordId, RecordId]
) -> None:
    """Until it is relocated. From then on each hold that covers it keeps it."""
    earlier = place_hold(domicile)
    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].inject(fill_up, prefix="held/")
    work(domicile, hours=13)
    later = place_hold(domicile, Scope.tenant())
    assert (later.records, [day.records for day in later.expiring]) == (0, [2])
    assert held_records(domicile, later) == set()
    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].heal()
    ends_well(domicile)

    release_holds(domicile, earlier)
    ends_well(domicile)
    assert held_records(domicile, later) == {pair[0]}
    assert open_held(domicile, later, pair[0]) == b"u"


@pytest.mark.parametrize("moment", ["copying", "switching"])
def test_a_hold_is_released_while_its_records_are_relocated(
    domicile: Domicile,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    pair: tuple[RecordId, RecordId],
    *,
    moment: str,
) -> None:
    """Relocated or not, everything goes, and no object is left behind."""
    samples = ciphertexts(domicile, *pair)
    placed = place_hold(domicile)
    domicile.pass_time(hours=13)
    if moment == "copying":
        domicile.backends["eu-b"].gates["upload"] = gate
    else:
        faults.at_commit(CARRYING, before=lambda _: gate.wait())
    expiring = aside.submit(duty, domicile, "expire")
    assert gate.reached.wait(30)
    releasing = aside.submit(release_holds, domicile, placed)
    wait_until(lambda: releasing.done() or faults.lock_waiters() > 0)
    assert releasing.done() == (moment == "copying")
    gate.open.set()
    releasing.result(30)
    expiring.result(30)

    ends_well(domicile)
    assert relocated(domicile) == set()
    assert [backends_with(domicile, sample) for sample in samples] == [set(), set()]
    assert stored_keys(domicile) == set()


@pytest.mark.parametrize("answer", ["before", "after"])
def test_a_relocation_whose_commit_is_lost(
    domicile: Domicile, faults: CatalogFaults, pair: tuple[RecordId, RecordId], answer: str
) -> None:
    """The next worker finishes, and nothing is stored twice."""
    (sample,) = ciphertexts(domicile, pair[0])
    placed = place_hold(domicile)
    domicile.pass_time(hours=13)
    if answer == "before":
        faults.at_commit(CARRYING, before=faults.kill)
    else:
        faults.at_commit(CARRYING, after=faults.lose)
    with pytest.raises(Exception, match="does not answer"):
        duty(domicile, "expire")
    assert open_held(domicile, placed, pair[0]) == b"u"

    ends_well(domicile)
    assert relocated(domicile) == {pair[0].unique}
    assert object_states(home(domicile), "held")["stored"] == 1
    assert backends_with(domicile, sample) == {"eu-a", "eu-b"}
    assert open_held(domicile, placed, pair[0]) == b"u"


def test_an_erasure_of_others_in_a_pack_does_not_wait_for_what_was_relocated(
    domicile: Domicile, pair: tuple[RecordId, RecordId]
) -> None:
    """The held object has none of their bytes."""
    t = domicile.store.tenant("acme-eu")
    place_hold(domicile)
    stuck = domicile.backends["eu-b"]
    stuck.fail_before["purge"] = stuck.answer_lost
    work(domicile, hours=13)
    assert relocated(domicile) == {pair[0].unique}
    erasure = erase(t, Scope.subject("v"))
    work(domicile)
    assert not is_complete(domicile, erasure)

    stuck.fail_before.clear()
    ends_well(domicile)
    assert is_complete(domicile, erasure)


def test_no_receipt_while_what_a_hold_released_is_on_a_backend(
    domicile: Domicile, pair: tuple[RecordId, RecordId]
) -> None:
    """The release deletes its row before the erasure is requested, and one replica is left."""
    (sample,) = ciphertexts(domicile, pair[0])
    placed = place_hold(domicile)
    for hours in (13, 1, 1):
        work(domicile, hours=hours)
    stuck = domicile.backends["eu-b"]
    stuck.fail_before["purge"] = stuck.answer_lost
    release_holds(domicile, placed)
    work(domicile)
    assert relocated(domicile) == set()
    assert backends_with(domicile, sample) == {"eu-b"}
    erasure = erase(domicile.store.tenant("acme-eu"))
    work(domicile)
    assert not is_complete(domicile, erasure)
    assert [left.backend for left in domicile.store.erasure(erasure.id).outstanding] == ["eu-b"]

    stuck.fail_before.clear()
    ends_well(domicile)
    assert is_complete(domicile, erasure)
    assert backends_with(domicile, sample) == set()
