"""A court orders everything kept, then less: wide holds, carve-outs, narrowings."""

from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import select, update

from storage.catalog import tables as t
from storage.errors import InvalidRequest
from storage.model import CarveOut, DataClass, ErasureState, PlacedHold, Reason, RecordId, Scope
from storage.testing import SERVICE, Domicile
from storage.workers import release
from tests.support.actions import duty, erase, is_complete, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.holds import (
    ORDER,
    SOON,
    approve,
    confirm,
    narrow,
    one_of_two,
    open_held,
    place_hold,
    place_wide,
    release_holds,
    relocated,
    stored_keys,
)
from tests.support.inspect.stored import backends_with, ciphertexts, home, orphans

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION


def tenants(domicile: Domicile) -> tuple[RecordId, RecordId, RecordId]:
    """Make two tenants of Acme and one of Beta; return a prompt of each."""
    own = {"one": "acme", "two": "acme", "three": "beta"}
    made = [domicile.tenant(name, account=a, retention=SOON) for name, a in own.items()]
    one, two, three = (one.put(PROMPT, b"mine", subject="u").id for one in made)
    return one, two, three


def expire(domicile: Domicile) -> None:
    """Let the day pass, and workers do all that is due then."""
    for hours in (13, 1, 1, 1):
        work(domicile, hours=hours)


def rest(domicile: Domicile) -> None:
    """Let time pass until all pending work is done."""
    for hours in (0, 1, 73, 1, 1):
        work(domicile, hours=hours)


def kept(domicile: Domicile, placed: PlacedHold, tenant: str) -> set[RecordId]:
    """Return the records of a tenant that a hold keeps."""
    found = domicile.store.admin.holds.records(placed.hold.id, tenant=tenant)
    return {info.id for info in found}


# --- scopes ------------------------------------------------------------------------------------


def test_a_region_is_held_with_the_tenants_that_come_later(domicile: Domicile) -> None:
    """From their first record: past its day, and though the tenant is gone."""
    one, two, three = tenants(domicile)
    placed = place_wide(domicile)
    later = domicile.tenant("four", account="gamma", retention=SOON)
    four = later.put(PROMPT, b"mine").id
    erasure = later.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
    samples = ciphertexts(domicile, one, two, three, four)
    expire(domicile)

    assert placed.records == 3
    assert relocated(domicile) == {i.unique for i in (one, two, three, four)}
    assert all(backends_with(domicile, sample) == {"eu-a", "eu-b"} for sample in samples)
    assert not is_complete(domicile, erasure)
    assert open_held(domicile, placed, four, "four") == b"mine"
    assert kept(domicile, placed, "four") == {four}
    with pytest.raises(InvalidRequest, match="more than one tenant"):
        domicile.store.admin.holds.records(placed.hold.id)

    release_holds(domicile, placed)
    rest(domicile)
    assert relocated(domicile) == set()
    assert is_complete(domicile, erasure)
    assert stored_keys(domicile) == set()
    assert orphans(home(domicile)) == []


def test_an_account_is_held_and_no_other(domicile: Domicile) -> None:
    """With its tenants that come later. Each is listed with the hold that may cover it."""
    one, two, three = tenants(domicile)
    placed = place_wide(domicile, Scope.account("acme"))
    four = domicile.tenant("four", retention=SOON).put(PROMPT, b"mine").id
    expire(domicile)

    holds = domicile.store.admin.holds
    assert (placed.records, placed.hold.account, placed.hold.tenant) == (2, "acme", None)
    assert relocated(domicile) == {i.unique for i in (one, two, four)}
    assert kept(domicile, placed, "three") == set()
    assert [h.id for h in holds.list("eu-central-1", tenant="two")] == [placed.hold.id]
    assert holds.list("eu-central-1", tenant="three") == []
    assert three.unique not in relocated(domicile)


def test_a_hold_up_to_now_keeps_nothing_that_comes_later(domicile: Domicile) -> None:
    """Of any tenant."""
    one, two, three = tenants(domicile)
    place_wide(domicile, future=False)
    domicile.pass_time(minutes=1)
    domicile.tenant("four", account="gamma", retention=SOON).put(PROMPT, b"mine")
    expire(domicile)

    assert relocated(domicile) == {i.unique for i in (one, two, three)}


def test_a_tenant_of_which_nothing_is_left_is_removed_under_a_wide_hold(
    domicile: Domicile,
) -> None:
    """Nothing of it is held. Made again, it is covered again."""
    domicile.tenant("empty")
    place_wide(domicile, Scope.account("acme"))
    domicile.store.admin.tenants.remove("empty")
    record = domicile.tenant("empty", retention=SOON).put(PROMPT, b"mine").id
    expire(domicile)

    assert relocated(domicile) == {record.unique}


# --- what is not kept --------------------------------------------------------------------------


def test_what_is_excluded_when_it_is_placed_is_never_held(domicile: Domicile) -> None:
    """By tenant, by account, by class; each carve-out is for itself."""
    one, two, three = tenants(domicile)
    said = domicile.store.tenant("two").bind(SERVICE).put(COMPLETION, b"said").id
    parts = (CarveOut(tenants=("one",), accounts=("beta",)), CarveOut(classes=(COMPLETION,)))
    placed = place_wide(domicile, exclude=parts)
    expire(domicile)

    assert placed.hold.carve_outs == parts
    assert placed.records == 1
    assert relocated(domicile) == {two.unique}
    assert {one.unique, three.unique, said.unique}.isdisjoint(relocated(domicile))


def test_a_narrowing_lets_go_what_it_names_and_nothing_else(domicile: Domicile) -> None:
    """What expired goes, what was erased is erased, and there is a receipt; the rest is kept."""
    one, two, three = tenants(domicile)
    placed = place_wide(domicile)
    erasures = [erase(domicile.store.tenant(name)) for name in ("one", "three")]
    (sample,) = ciphertexts(domicile, three)
    expire(domicile)
    before = backends_with(domicile, sample)
    narrow(domicile, placed, CarveOut(accounts=("beta",)))
    rest(domicile)

    assert [is_complete(domicile, erasure) for erasure in erasures] == [False, True]
    assert relocated(domicile) == {one.unique, two.unique}
    assert open_held(domicile, placed, one, "one") == b"mine"
    assert (before, backends_with(domicile, sample)) == ({"eu-a", "eu-b"}, set())

    narrow(domicile, placed, CarveOut(minted_to=domicile.clock.now()))
    rest(domicile)
    assert relocated(domicile) == set()
    assert is_complete(domicile, erasures[0])
    assert domicile.store.admin.holds.show(placed.hold.id).released is None
    assert stored_keys(domicile) == set()


def test_a_narrowing_gives_up_no_record_that_another_hold_keeps(domicile: Domicile) -> None:
    """Each hold is asked."""
    one, _, _ = tenants(domicile)
    wide, own = place_wide(domicile), place_hold(domicile, Scope.tenant(), tenant="one")
    expire(domicile)
    narrow(domicile, wide, CarveOut(classes=(PROMPT,)))
    rest(domicile)
    before = relocated(domicile)
    release_holds(domicile, own)
    rest(domicile)

    assert (before, relocated(domicile)) == ({one.unique}, set())


def test_what_was_let_go_is_looked_for_in_bounded_pieces(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two records each, here. A change meanwhile begins again from the first record."""
    monkeypatch.setattr(release, "ROWS", 2)
    given = [domicile.tenant(f"t{n}", retention=SOON).put(PROMPT, b"mine").id for n in range(7)]
    placed = place_wide(domicile)
    expire(domicile)

    def pieces(most: int) -> int:
        log = structlog.get_logger()
        return sum(1 for _ in range(most) if release.release(home(domicile), log))

    narrow(domicile, placed, CarveOut(tenants=("t6",)))
    begun = pieces(3), len(relocated(domicile))
    narrow(domicile, placed, CarveOut(tenants=("t0", "t3")))
    rest_of_it = pieces(100)

    assert (begun, rest_of_it) == ((3, 7), 4)
    assert relocated(domicile) == {i.unique for n, i in enumerate(given) if n not in (0, 3, 6)}


def test_what_was_deferred_until_then_is_resumed_and_nothing_else(domicile: Domicile) -> None:
    """By the clock of another process too; what is deferred again meanwhile is not."""
    tenants(domicile)
    domicile.clock.skewed(timedelta(milliseconds=25))
    placed = place_wide(domicile)
    before, again = (erase(domicile.store.tenant(name)) for name in ("one", "two"))
    work(domicile, minutes=1)
    narrow(domicile, placed, CarveOut(classes=(COMPLETION,)))
    region, c = home(domicile), t.deferral.c
    apart = 2 * region.clock.error
    with region.catalog.begin() as connection:
        since = connection.scalars(select(t.hold.c.narrowed)).one()
        for erasure, later in ((before, apart), (again, 2 * apart)):
            changed = update(t.deferral).where(c.erasure_id == erasure.id)
            connection.execute(changed.values(since=since + later))
    duty(domicile, "release")
    states = [domicile.store.erasure(one.id).state for one in (before, again)]

    assert states == [ErasureState.FENCED, ErasureState.DEFERRED]


# --- restored catalogs -------------------------------------------------------------------------


def test_a_restored_catalog_knows_what_a_wide_hold_keeps_and_no_more(domicile: Domicile) -> None:
    """Placed and narrowed after the backup, with a tenant that the backup lacks."""
    one, two, three = tenants(domicile)
    dump = Dump.of(domicile)
    placed = place_wide(domicile, Scope.account("acme"))
    four = domicile.tenant("four", retention=SOON).put(PROMPT, b"mine").id
    expire(domicile)
    narrow(domicile, placed, CarveOut(tenants=("two",)))

    dump.restore(domicile)
    recover_catalog(domicile)
    expire(domicile)
    rest(domicile)

    found = domicile.store.admin.holds.show(placed.hold.id)
    assert (found.account, found.carve_outs) == ("acme", (CarveOut(tenants=("two",)),))
    assert relocated(domicile) == {one.unique, four.unique}
    assert {two.unique, three.unique}.isdisjoint(relocated(domicile))
    domicile.tenant("four", retention=SOON)
    assert open_held(domicile, placed, four, "four") == b"mine"


def test_a_restored_catalog_knows_who_confirmed_decided_and_released(domicile: Domicile) -> None:
    """Whatever a hold had become after the backup."""
    domicile.tenant()
    dump = Dump.of(domicile)
    placed = place_hold(domicile, authority_jurisdiction="US")
    over = place_hold(domicile, Scope.tenant())
    confirm(domicile, placed)
    with one_of_two(domicile.settings, domicile.store, 0):
        decide = domicile.store.admin.holds.decide
        change = decide(placed.hold.id, document=ORDER, permitted=True)
    approve(domicile, change)
    release_holds(domicile, over)
    holds = domicile.store.admin.holds
    before, changes = holds.show(placed.hold.id), holds.changes(placed.hold.id)

    dump.restore(domicile)
    recover_catalog(domicile)
    holds = domicile.store.admin.holds
    after = holds.show(placed.hold.id)

    assert (after.sponsor, after.confirmed_by) == (before.sponsor, before.confirmed_by)
    assert after.decision is not None
    assert before.decision is not None
    assert replace(after.decision, at=before.decision.at) == before.decision
    assert [one.id for one in holds.changes(placed.hold.id)] == [one.id for one in changes]
    assert holds.show(over.hold.id).released_why == "settled"
