"""What a shortened retention ended is destroyed: rows, keys and bytes, within a stated time."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage.catalog import tables as t
from storage.client.tenant import BoundTenant
from storage.errors import Erased, Expired, InvalidRequest, NotFound, TenantNotEmpty
from storage.model import (
    CopyState,
    DataClass,
    Erasure,
    ErasureState,
    NewRecord,
    Purpose,
    Reason,
    RecordId,
    Scope,
    ScopeKind,
)
from storage.testing import SERVICE, Domicile
from storage.workers.due import due
from tests.support.actions import duty, erase, get, is_complete, put_file, put_prompt, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import HOME, home
from tests.support.processors.copies import MODERATION, copies_left, only_copy
from tests.support.retention import keep
from tests.support.topology_files import CLASSES, SHIPPED, edit, use_topology

pytestmark = pytest.mark.one_region


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    return domicile.tenant()


def rolling(domicile: Domicile) -> list[Erasure]:
    """Return the erasures that retentions made, oldest first."""
    found = domicile.store.erasures(HOME)
    return [one for one in reversed(found) if one.reason is Reason.RETENTION]


def put_together(tenant: BoundTenant) -> list[RecordId]:
    """Put a prompt of one subject and a completion of another into one pack; return their ids."""
    some = [
        NewRecord(DataClass.PROMPT, b"mine", subject="user-7"),
        NewRecord(DataClass.COMPLETION, b"stays", subject="user-8"),
    ]
    return [one.id for one in tenant.put_many(some) if one.id is not None]


def rows(domicile: Domicile) -> int:
    """Return how many records have a row."""
    with home(domicile).catalog.begin() as connection:
        return sum(
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (t.record, t.file, t.held)
        )


def test_data_is_kept_for_a_maximum_of_30_days_unless_otherwise_required_by_law(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Also where it was kept until deleted; a legal hold keeps it, and nothing else does."""
    file, held = put_file(domicile, "u"), put_file(domicile, "v")
    placed = place_hold(domicile, Scope.record(held))

    keep(domicile, tenant.id, fine_tuning_file=30)
    work(domicile)
    domicile.pass_time(days=30)

    for gone in (file, held):
        with pytest.raises(Expired):
            tenant.get(gone, purpose=Purpose.SERVE)
    for _ in range(3):
        work(domicile, hours=72)
    assert rows(domicile) == 1
    release_holds(domicile, placed)
    for _ in range(4):
        work(domicile, hours=72)
    assert rows(domicile) == 0
    assert {one.state for one in rolling(domicile)} == {ErasureState.COMPLETE}


def test_bytes_are_gone_a_compaction_window_and_a_purge_bound_after_the_end(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Though the pack has records that stay. The receipt says so."""
    old, other = put_together(tenant)
    domicile.pass_time(days=10)
    bounds = home(domicile).topology.bounds
    keep(domicile, tenant.id, prompt=7)
    shortened = domicile.clock.now()

    work(domicile)
    with pytest.raises((Expired, NotFound)):
        get(tenant, old)
    for _ in range(8):
        domicile.pass_time(hours=12)
        domicile.run_worker()

    (erasure,) = rolling(domicile)
    assert (erasure.scope, erasure.deleted) == (ScopeKind.CLASS, 1)
    assert erasure.state is ErasureState.COMPLETE
    assert erasure.completed is not None
    assert erasure.completed <= shortened + bounds.compaction + bounds.purge
    assert erasure.receipt is not None
    assert tenant.get(other, purpose=Purpose.SERVE).body == b"stays"


def test_it_rolls_day_by_day_and_then_stops(domicile: Domicile, tenant: BoundTenant) -> None:
    """One erasure per day on which something ends early; then nothing is looked at any more."""
    put = []
    for _ in range(4):
        put.append(put_prompt(domicile, "u"))
        domicile.pass_time(days=1)
    keep(domicile, tenant.id, prompt=7)
    work(domicile)
    assert rolling(domicile) == []

    for _ in range(9):
        domicile.pass_time(days=1)
        work(domicile)
        work(domicile)

    assert [one.deleted for one in rolling(domicile)] == [1, 1, 1, 1]
    assert rows(domicile) == 0
    for _ in range(3):
        domicile.pass_time(days=1)
        assert due(home(domicile))["shorten"] == 0


def test_new_terms_are_noticed_though_nothing_was_watched(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The tenant had nothing when it was first looked at."""
    work(domicile)
    put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    work(domicile)

    keep(domicile, tenant.id, prompt=7)
    work(domicile)

    assert rows(domicile) == 0


def test_zero_later_takes_everything_of_the_class(domicile: Domicile, tenant: BoundTenant) -> None:
    """And nothing of the others."""
    for _ in range(3):
        put_prompt(domicile, "u")
        domicile.pass_time(days=1)
    other = tenant.put(DataClass.COMPLETION, b"stays").id

    keep(domicile, tenant.id, prompt=0)
    work(domicile)

    assert rows(domicile) == 1
    assert tenant.get(other, purpose=Purpose.SERVE).body == b"stays"


def test_a_shorter_rule_of_the_topology_counts_for_every_tenant(domicile: Domicile) -> None:
    """No tenant changed its terms: the digest of the rules did."""
    tenants = [domicile.tenant(name) for name in ("one-eu", "two-eu", "three-eu")]
    for tenant in tenants:
        tenant.put(DataClass.PROMPT, b"mine")
    work(domicile)
    domicile.pass_time(days=10)
    work(domicile)
    assert rolling(domicile) == []
    region = home(domicile)
    rule = region.topology.classes[DataClass.PROMPT]
    shorter = rule.model_copy(update={"retention_days": 7, "ceiling_days": 7})
    region.topology.classes[DataClass.PROMPT] = shorter
    try:
        work(domicile)
        assert [one.tenant for one in rolling(domicile)] == ["one-eu", "three-eu", "two-eu"]
        assert rows(domicile) == 0
    finally:
        region.topology.classes[DataClass.PROMPT] = rule


def test_an_unchanged_retention_makes_no_erasure(domicile: Domicile, tenant: BoundTenant) -> None:
    """The life of a record of thirty days has none, whatever else the tenant's terms say."""
    put_prompt(domicile, "u")
    for day in range(32):
        if day == 12:
            domicile.tenant(dedicated=True)
        domicile.pass_time(days=1)
        work(domicile)

    assert (rolling(domicile), rows(domicile)) == ([], 0)


def test_a_shortening_that_is_taken_back_spares_what_was_not_erased_yet(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The end is computed: nothing was written for it."""
    old = put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    keep(domicile, tenant.id, prompt=7)
    with pytest.raises(Expired):
        get(tenant, old)

    keep(domicile, tenant.id, prompt=30)
    work(domicile)

    assert get(tenant, old) == b"mine"
    assert rolling(domicile) == []


def test_a_shortening_between_two_others_is_watched_to_its_own_end(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Thirty days, then five, then twenty: what was minted for thirty ends after twenty."""
    work(domicile)
    put_prompt(domicile, "u")
    for days in (5, 20):
        keep(domicile, tenant.id, prompt=days)
        work(domicile)
    domicile.pass_time(days=18)
    work(domicile)
    assert rows(domicile) == 1

    domicile.pass_time(days=2)
    work(domicile)

    assert rows(domicile) == 0
    assert [one.deleted for one in rolling(domicile)] == [1]


def test_a_longer_retention_that_no_worker_saw_is_noticed(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Five days, then thirty, then five again: what was minted for thirty ends after five."""
    keep(domicile, tenant.id, prompt=5)
    work(domicile)
    keep(domicile, tenant.id, prompt=30)
    put_prompt(domicile, "u")
    keep(domicile, tenant.id, prompt=5)
    domicile.pass_time(days=5)

    work(domicile)

    assert rows(domicile) == 0
    assert [one.deleted for one in rolling(domicile)] == [1]


def test_a_topology_with_a_longer_retention_that_no_worker_used_is_noticed(
    domicile: Domicile, tmp_path: Path
) -> None:
    """A service was started with it by mistake, and then with the one before it again."""
    shipped = domicile.settings.topology
    five = shutil.copytree(SHIPPED, tmp_path / "five")
    edit(five / CLASSES, "retention_days = 30", "retention_days = 5")
    use_topology(domicile, five)
    domicile.tenant()
    work(domicile)
    use_topology(domicile, shipped)
    put_prompt(domicile, "u")
    use_topology(domicile, five)
    domicile.pass_time(days=5)

    work(domicile)

    assert rows(domicile) == 0
    assert [one.deleted for one in rolling(domicile)] == [1]


def test_what_is_put_after_a_zero_retention_was_taken_back_stays(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Though the erasure of what was there before is not carried out yet."""
    old = put_prompt(domicile, "u")
    keep(domicile, tenant.id, prompt=0)
    duty(domicile, "shorten")
    keep(domicile, tenant.id, prompt=7)
    new = put_prompt(domicile, "u")

    work(domicile)

    assert get(tenant, new) == b"mine"
    with pytest.raises((Erased, NotFound)):
        get(tenant, old)
    assert [one.deleted for one in rolling(domicile)] == [1]


def test_what_was_erased_stays_erased_when_the_retention_is_longer_again(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """From the erasure on, not from when its rows are deleted: nothing of it is acknowledged."""
    minted = tenant.new_id(DataClass.PROMPT)
    tenant.put(DataClass.PROMPT, b"mine", id=minted)
    keep(domicile, tenant.id, prompt=0)
    duty(domicile, "shorten")
    keep(domicile, tenant.id, prompt=30)

    with pytest.raises(Erased):
        get(tenant, minted)
    with pytest.raises(Erased):
        tenant.put(DataClass.PROMPT, b"mine", id=minted)
    with pytest.raises(Erased):
        tenant.put(DataClass.COMPLETION, b"derived", derived_from=[minted])
    assert not tenant.list()


def test_terms_that_change_while_an_erasure_is_made_stop_it(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Their retention is in force already: what is readable by it is not destroyed."""
    put = [put_prompt(domicile, "u")]
    keep(domicile, tenant.id, prompt=0)
    ledger = domicile.backends["eu-b"]

    def take_back(_: str) -> None:
        del ledger.fail_after["put"]
        keep(domicile, tenant.id, prompt=30)
        put.append(put_prompt(domicile, "u"))

    ledger.fail_after["put"] = take_back
    work(domicile)

    assert [get(tenant, one) for one in put] == [b"mine", b"mine"]
    assert rolling(domicile) == []


def test_an_id_from_before_an_erasure_by_retention_is_not_written(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The erasure would take what is written under it. An id from after it is good."""
    put_prompt(domicile, "u")
    before = tenant.new_id(DataClass.PROMPT)
    other = tenant.new_id(DataClass.COMPLETION)
    keep(domicile, tenant.id, prompt=0)
    duty(domicile, "shorten")
    keep(domicile, tenant.id, prompt=30)

    with pytest.raises(Erased):
        tenant.put(DataClass.PROMPT, b"late", id=before)

    assert tenant.put(DataClass.COMPLETION, b"late", id=other).stored
    assert get(tenant, put_prompt(domicile, "u")) == b"mine"


class TestHolds:
    def test_what_is_held_stays_until_its_hold_is_released(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """No erasure is made for it day after day; the release lets it go."""
        held = put_prompt(domicile, "u")
        placed = place_hold(domicile)
        domicile.pass_time(days=10)
        keep(domicile, tenant.id, prompt=7)
        for _ in range(3):
            work(domicile)
            domicile.pass_time(days=1)
        assert (rolling(domicile), rows(domicile)) == ([], 1)
        with pytest.raises(Expired):
            get(tenant, held)

        release_holds(domicile, placed)
        work(domicile)

        assert rows(domicile) == 0

    def test_what_is_held_for_long_goes_when_its_hold_is_released(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """Though nothing else of the tenant ended, and its days are over since long."""
        put_file(domicile, "u")
        placed = place_hold(domicile)
        keep(domicile, tenant.id, fine_tuning_file=7)
        for _ in range(3):
            work(domicile, days=7)
        assert (rolling(domicile), rows(domicile)) == ([], 1)

        release_holds(domicile, placed)
        work(domicile)

        assert rows(domicile) == 0

    def test_a_hold_that_comes_before_the_rows_are_deleted_defers_the_erasure(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """It is complete once the hold is released."""
        put_prompt(domicile, "u")
        domicile.pass_time(days=10)
        keep(domicile, tenant.id, prompt=7)
        duty(domicile, "shorten")
        placed = place_hold(domicile)
        work(domicile)
        (erasure,) = rolling(domicile)
        assert (erasure.state, erasure.deleted) == (ErasureState.DEFERRED, 0)

        release_holds(domicile, placed)
        for _ in range(3):
            work(domicile, hours=49)

        assert is_complete(domicile, erasure)
        assert rows(domicile) == 0

    def test_a_hold_that_comes_later_says_that_it_came_too_late(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """As for any other erasure."""
        put_prompt(domicile, "u")
        domicile.pass_time(days=10)
        keep(domicile, tenant.id, prompt=7)
        duty(domicile, "shorten")
        duty(domicile, "plan")

        placed = place_hold(domicile)

        assert placed.records == 0
        assert placed.erasures == (rolling(domicile)[0].id,)


def test_copies_at_processors_are_asked_back(domicile: Domicile, tenant: BoundTenant) -> None:
    """Of the records that ended, and of no others. The receipt waits for them."""
    old = put_prompt(domicile, "u")
    tenant.hand_over(old, MODERATION)
    domicile.pass_time(days=10)
    keep(domicile, tenant.id, prompt=7)

    work(domicile)

    assert copies_left(domicile) == []
    tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
    work(domicile, days=1)
    assert only_copy(domicile).state is CopyState.DELIVERED


def test_what_derives_from_what_ended_stays_for_its_own_time(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Its row, and its copy at a processor. An erasure by a person would take it along."""
    old = put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    young = tenant.put(DataClass.PROMPT, b"young", derived_from=[old]).id
    tenant.hand_over(young, MODERATION)
    keep(domicile, tenant.id, prompt=7)

    work(domicile)

    assert [one.deleted for one in rolling(domicile)] == [1]
    assert get(tenant, young) == b"young"
    assert only_copy(domicile).state is CopyState.DELIVERED


def test_the_receipt_of_another_erasure_waits_for_the_same_bytes(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The row is gone, and the pack is not: a subject's receipt would be too early."""
    put_together(tenant)
    domicile.pass_time(days=10)
    keep(domicile, tenant.id, prompt=7)
    work(domicile)
    assert rows(domicile) == 1

    erasure = erase(tenant, Scope.subject("user-7"))
    work(domicile, hours=2)
    work(domicile)
    assert not is_complete(domicile, erasure)
    for _ in range(3):
        work(domicile, hours=48)

    assert is_complete(domicile, erasure)


def test_nobody_requests_such_an_erasure(tenant: BoundTenant) -> None:
    """Neither its scope nor its reason is for callers."""
    for scope, reason in (
        (Scope(ScopeKind.CLASS, "prompt"), Reason.CUSTOMER_REQUEST),
        (Scope.tenant(), Reason.RETENTION),
    ):
        with pytest.raises(InvalidRequest):
            tenant.erase(scope, reason=reason)


def test_a_removed_tenant_takes_what_was_seen_of_it(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """And one that is made again begins anew."""
    put_prompt(domicile, "u")
    keep(domicile, tenant.id, prompt=7)
    work(domicile)
    with pytest.raises(TenantNotEmpty):
        domicile.store.admin.tenants.remove(tenant.id)
    erase(tenant)
    for _ in range(4):
        work(domicile, hours=49)
    domicile.store.admin.tenants.remove(tenant.id)
    domicile.tenant()
    work(domicile)

    with home(domicile).catalog.begin() as connection:
        looks = connection.execute(select(t.retention_look.c.days)).scalars().all()
    assert [look["prompt"] for look in looks] == [30]


def test_an_erased_record_stays_erased_when_its_retention_is_shortened(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The two do not disturb each other."""
    put = put_prompt(domicile, "u")
    erasure = erase(tenant, Scope.record(put))
    keep(domicile, tenant.id, prompt=0)
    with pytest.raises(Erased):
        get(tenant, put)
    for _ in range(3):
        work(domicile, hours=49)
    assert is_complete(domicile, erasure)
    assert timedelta() < domicile.clock.now() - erasure.requested


def test_a_restored_catalog_does_not_bring_it_back(domicile: Domicile, tenant: BoundTenant) -> None:
    """Though it lacks the terms that ended it: the ledger has the erasure."""
    old = put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    new = put_prompt(domicile, "u")
    dump = Dump.of(domicile)
    keep(domicile, tenant.id, prompt=7)
    duty(domicile, "shorten")

    dump.restore(domicile)
    recover_catalog(domicile)
    restored = domicile.store.tenant(tenant.id).bind(SERVICE)
    work(domicile)

    with pytest.raises((Erased, NotFound)):
        get(restored, old)
    assert get(restored, new) == b"mine"
