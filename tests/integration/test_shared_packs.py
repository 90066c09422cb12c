"""Records that share a pack: each has an answer of its own."""

import pytest

from storage.model import DataClass, NewRecord, PutFailure, PutResult, Scope
from storage.region import Limits
from storage.testing import Domicile
from tests.support.actions import erase, get, work
from tests.support.inspect.stored import home, pack_ids

pytestmark = pytest.mark.one_region


@pytest.fixture
def domicile_limits() -> Limits:
    """Bulk writes wait until a pack has three records."""
    return Limits(linger=30, pack_records=3)


def test_a_record_that_is_refused_does_not_stop_those_after_it(domicile: Domicile) -> None:
    """It derives from a record that is not stored. The others are stored."""
    t = domicile.tenant()
    unknown = t.new_id(DataClass.PROMPT)
    refused = NewRecord(DataClass.PROMPT, b"refused", derived_from=(unknown,))
    before, failed, after = t.put_many(
        [NewRecord(DataClass.PROMPT, b"before"), refused, NewRecord(DataClass.PROMPT, b"after")]
    )

    assert isinstance(failed, PutFailure)
    assert failed.error.code == "LineageConflict"
    assert isinstance(before, PutResult)
    assert isinstance(after, PutResult)
    assert [get(t, result.id) for result in (before, after)] == [b"before", b"after"]


def test_a_record_that_was_erased_before_it_came_is_refused_alone(domicile: Domicile) -> None:
    """Its id is older than the erasure of its subject; that of the next one is younger."""
    t = domicile.tenant()
    old = t.new_id(DataClass.PROMPT)
    domicile.pass_time(seconds=1)
    erase(t, Scope.subject("u"))
    domicile.pass_time(seconds=1)
    refused, *stored = t.put_many(
        [
            NewRecord(DataClass.PROMPT, b"old", old, subject="u"),
            NewRecord(DataClass.PROMPT, b"new", subject="u"),
            NewRecord(DataClass.PROMPT, b"of another", subject="v"),
        ]
    )
    assert isinstance(refused, PutFailure)
    assert refused.error.code == "Erased"
    assert all(isinstance(result, PutResult) for result in stored)


def test_a_record_that_is_stored_already_does_not_stop_those_after_it(domicile: Domicile) -> None:
    """A repeated call has the answer of the first, and what is new is stored."""
    t = domicile.tenant()
    first = t.put(DataClass.PROMPT, b"first").id
    results = list(
        t.put_many(
            NewRecord(DataClass.PROMPT, body, record_id)
            for body, record_id in ((b"first", first), (b"second", None), (b"third", None))
        )
    )

    stored = [result.id for result in results if isinstance(result, PutResult)]
    assert stored[0] == first
    assert [get(t, record_id) for record_id in stored] == [b"first", b"second", b"third"]


def test_a_pack_in_which_every_record_is_stored_is_not_rewritten(domicile: Domicile) -> None:
    """It has no dead bytes, so no worker reads and writes it again."""
    t = domicile.tenant()
    assert len(list(t.put_many(NewRecord(DataClass.PROMPT, b"%d" % n) for n in range(3)))) == 3
    stored = pack_ids(home(domicile))
    assert len(stored) == 1

    for hours in (1, 73, 1):
        work(domicile, hours=hours)

    assert pack_ids(home(domicile)) == stored
