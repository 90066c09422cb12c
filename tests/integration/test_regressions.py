"""Faults of the past, each as a minimal test."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

import regions
from storage.errors import IdConflict
from storage.model import (
    DataClass,
    ErasureState,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    Scope,
)
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.inspect.stored import OF_THE_REGION
from tests.support.topologies import small_topology

APART = "canary/", *OF_THE_REGION


def keys(domicile: Domicile) -> Mapping[str, set[str]]:
    """Return the keys on each backend, without canaries, ledger and log."""
    return {
        name: {key for key in (x.key for x in backend.scan()) if not key.startswith(APART)}
        for name, backend in domicile.backends.items()
    }


def test_a_day_that_waits_does_not_hold_up_the_others(domicile: Domicile) -> None:
    """A worker that ran rarely found the oldest day due each time, and no other."""
    t = domicile.tenant(retention={DataClass.PROMPT: 3, DataClass.COMPLETION: 2})
    for data_class in (DataClass.COMPLETION, DataClass.PROMPT):
        t.put(data_class, b"of a day of its own")
    domicile.take_down("eu-b")
    domicile.pass_time(days=4)
    for _ in range(3):
        work(domicile)
        domicile.pass_time(hours=1)
    domicile.bring_back("eu-b")

    assert keys(domicile)["eu-a"] == set()
    assert len(keys(domicile)["eu-b"]) == 4


def test_of_two_records_with_one_id_the_first_is_stored(domicile: Domicile) -> None:
    """The second was large, was written at once, and overtook the first."""
    t = domicile.tenant()
    one = t.new_id(DataClass.PROMPT)

    first, second = t.put_many(
        [NewRecord(DataClass.PROMPT, b"first", one), NewRecord(DataClass.PROMPT, bytes(2**18), one)]
    )

    assert not isinstance(first, PutFailure)
    assert isinstance(second, PutFailure)
    assert isinstance(second.error, IdConflict)
    assert t.get(one, purpose=Purpose.SERVE).body == b"first"


@pytest.fixture
def ending(domicile: Domicile, tmp_path: Path) -> Domicile:
    """Return a topology in which the contract of eu-a ends on 2 March."""
    topology = small_topology(
        Path(regions.__file__).parent / "data", tmp_path / "topology", changes=True
    )
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    return domicile


def test_a_compaction_writes_nothing_to_a_backend_whose_contract_has_ended(
    ending: Domicile,
) -> None:
    """Its pack stays until it expires; a compaction writes to lawful backends alone."""
    t = ending.tenant()
    many = [NewRecord(DataClass.PROMPT, b"%d" % n, subject=f"user-{n}") for n in range(2)]
    gone, kept = t.put_many(many)
    before = keys(ending)
    ending.pass_time(days=3)
    t.erase(Scope.subject("user-0"), reason=Reason.SUBJECT_REQUEST)
    ending.run_worker()
    ending.clock.advance(timedelta(hours=6))
    ending.run_worker()
    after = keys(ending)

    assert after["eu-a"] < before["eu-a"]
    assert after["eu-b"] != before["eu-b"]
    assert not isinstance(kept, PutFailure)
    assert t.get(kept.id, purpose=Purpose.SERVE).body == b"1"
    assert not isinstance(gone, PutFailure)


def test_no_receipt_while_an_earlier_erasure_of_the_same_record_is_open(domicile: Domicile) -> None:
    """Also after the earlier fence is pruned: its row was the last that named the pack."""
    t = domicile.tenant()
    one = t.put(DataClass.PROMPT, b"on both backends", subject="user-7").id
    domicile.take_down("eu-b")
    t.erase(Scope.record(one), reason=Reason.CUSTOMER_REQUEST)
    for _ in range(3):
        work(domicile)
        domicile.pass_time(hours=13)
    later = t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)
    work(domicile)

    assert domicile.store.erasure(later.id).state is not ErasureState.COMPLETE

    domicile.bring_back("eu-b")
    work(domicile, hours=1)

    assert domicile.store.erasure(later.id).state is ErasureState.COMPLETE
    assert not any(key.startswith("pack/") for key in keys(domicile)["eu-b"])


@pytest.mark.parametrize("parent_first", [True, False])
def test_no_receipt_while_another_erasure_has_bytes_of_a_child(
    domicile: Domicile,
    parent_first: bool,  # noqa: FBT001
) -> None:
    """Whichever deleted the row first: the other covers it too, and finds none."""
    t = domicile.tenant()
    parent = t.put(DataClass.PROMPT, b"on both backends").id
    child = t.put(DataClass.COMPLETION, b"on both, too", derived_from=[parent]).id
    domicile.take_down("eu-b")
    order = [parent, child] if parent_first else [child, parent]
    t.erase(Scope.record(order[0]), reason=Reason.CUSTOMER_REQUEST)
    work(domicile)
    if not parent_first:  # what the parent was in goes, and only the child is left
        domicile.bring_back("eu-b")
    later = t.erase(Scope.record(order[1]), reason=Reason.CUSTOMER_REQUEST)
    work(domicile)

    assert domicile.store.erasure(later.id).state is not ErasureState.COMPLETE


def test_no_receipt_while_an_expired_record_is_on_a_backend(domicile: Domicile) -> None:
    """Its partition is dropped, so no row tells whose bytes the dead backend has."""
    t = domicile.tenant(retention={DataClass.PROMPT: 2})
    t.put(DataClass.PROMPT, b"on both backends", subject="user-7")
    domicile.take_down("eu-b")
    work(domicile, days=1)
    erasure = t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)
    work(domicile)
    waiting = domicile.store.erasure(erasure.id)

    assert waiting.state is not ErasureState.COMPLETE
    assert [left.backend for left in waiting.outstanding] == ["eu-b"]

    domicile.bring_back("eu-b")
    work(domicile, hours=1)

    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
    assert keys(domicile)["eu-b"] == set()


def test_what_derives_from_an_id_that_is_given_twice(domicile: Domicile) -> None:
    """The first with that id is refused, so the second is stored before its children."""
    t = domicile.tenant()
    absent, twice = t.new_id(DataClass.COMPLETION), t.new_id(DataClass.COMPLETION)
    results = list(
        t.put_many(
            [
                NewRecord(DataClass.COMPLETION, b"first", twice, derived_from=(absent,)),
                NewRecord(DataClass.COMPLETION, b"second", twice),
                NewRecord(DataClass.COMPLETION, b"third", derived_from=(twice,)),
            ]
        )
    )

    assert [isinstance(result, PutResult) for result in results] == [False, True, True]


def test_an_idempotency_key_of_which_an_id_is_minted_twice(domicile: Domicile) -> None:
    """The two ids differ in time and name one record: the first that is put is stored."""
    t = domicile.tenant()
    first = t.new_id(DataClass.PROMPT, key="order-7")
    domicile.pass_time(seconds=1)
    second = t.new_id(DataClass.PROMPT, key="order-7")
    assert (first != second, first.unique) == (True, second.unique)
    large = bytes(512 * 1024)  # goes in a pack of its own, at once

    results = list(
        t.put_many(
            [
                NewRecord(DataClass.PROMPT, b"first", first),
                NewRecord(DataClass.PROMPT, large, second),
                NewRecord(DataClass.PROMPT, large, derived_from=(second,)),
            ]
        )
    )

    assert [isinstance(result, PutResult) for result in results] == [True, False, True]
    assert t.get(second, purpose=Purpose.SERVE).body == b"first"
