"""A restored catalog learns of holds and releases after the backup."""

import pytest

from storage.errors import Erased, LedgerUnwritten
from storage.model import DataClass, Scope
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, get, is_complete, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.holds import held_records, open_held, place_hold, release_holds

pytestmark = pytest.mark.one_region

PROMPT = DataClass.PROMPT


def test_a_hold_is_replayed_before_the_erasure_that_it_defers(domicile: Domicile) -> None:
    """In either order: what both cover is kept, and goes after the release."""
    t = domicile.tenant()
    held = t.put(PROMPT, b"held", subject="u").id
    dump = Dump.of(domicile)
    placed = place_hold(domicile)
    erasure = erase(t, Scope.subject("u"))

    dump.restore(domicile)
    assert recover_catalog(domicile).events == 2

    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    work(domicile, days=4)
    assert held_records(domicile, placed) == {held}
    assert open_held(domicile, placed, held) == b"held"
    assert not is_complete(domicile, erasure)
    with pytest.raises(Erased):
        get(t, held)
    release_holds(domicile, placed)
    work(domicile)
    work(domicile, days=4)
    assert is_complete(domicile, erasure)


def test_a_release_is_not_forgotten(domicile: Domicile) -> None:
    """A hold that was released after the backup keeps nothing."""
    t = domicile.tenant()
    t.put(PROMPT, b"held", subject="u")
    placed = place_hold(domicile)
    erasure = erase(t, Scope.subject("u"))
    dump = Dump.of(domicile)
    release_holds(domicile, placed)

    dump.restore(domicile)
    recover_catalog(domicile)

    assert domicile.store.admin.holds.show(placed.hold.id).released is not None
    work(domicile)
    work(domicile, days=4)
    assert is_complete(domicile, erasure)


def test_a_hold_that_began_and_ended_after_the_backup(domicile: Domicile) -> None:
    """It stays released, whatever else is replayed."""
    t = domicile.tenant()
    t.put(PROMPT, b"held", subject="u")
    dump = Dump.of(domicile)
    placed = place_hold(domicile)
    release_holds(domicile, placed)
    erasure = erase(t, Scope.subject("u"))

    dump.restore(domicile)
    assert recover_catalog(domicile).events == 3

    assert domicile.store.admin.holds.show(placed.hold.id).released is not None
    work(domicile)
    work(domicile, days=4)
    assert is_complete(domicile, erasure)


def test_a_hold_that_the_ledger_does_not_have_is_not_placed(domicile: Domicile) -> None:
    """It would be lost with the catalog: the call raises a retryable error."""
    domicile.tenant().put(PROMPT, b"mine", subject="u")
    domicile.take_down("eu-a", "eu-b")

    with pytest.raises(LedgerUnwritten, match="The hold was not placed"):
        place_hold(domicile)

    domicile.bring_back("eu-a", "eu-b")
    assert domicile.store.admin.holds.list("eu-central-1") == []
    assert place_hold(domicile).records == 1
