"""A retention that was shortened ends reading at once, everywhere a record is opened or shown."""

from datetime import UTC, datetime, time, timedelta
from io import BytesIO

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import Expired, InvalidRequest, NotFound, StaleId
from storage.model import DataClass, GrantSpec, NewRecord, Purpose, PutFailure, PutResult, Scope
from storage.testing import INVESTIGATOR, Domicile
from tests.support.actions import get, put_file, put_prompt
from tests.support.holds import place_hold
from tests.support.processors.copies import MODERATION
from tests.support.retention import keep
from tests.support.screening import Watchful, machine

pytestmark = pytest.mark.one_region

SERVE = Purpose.SERVE


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant in the EU, bound to its own service."""
    return domicile.tenant()


def test_a_shortened_retention_ends_reading_everywhere(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Get, ranges of an open file, lists, screening, hand-over: also without a worker."""
    old, file = put_prompt(domicile, "u"), put_file(domicile, "u")
    domicile.pass_time(days=10)
    new = put_prompt(domicile, "u")
    with tenant.open(file, purpose=SERVE) as opened:
        assert opened.read_range(0, 1)

        keep(domicile, tenant.id, prompt=7, fine_tuning_file=7)

        with pytest.raises(Expired):
            opened.read_range(0, 1)
    for gone in (old, file):
        with pytest.raises(Expired):
            tenant.get(gone, purpose=SERVE)
    assert tenant.explain_purpose(old, purpose=SERVE).reasons == ("expired",)
    assert tenant.explain_purpose(new, purpose=SERVE).allowed
    with pytest.raises(Expired):
        tenant.hand_over(old, MODERATION)
    seen = Watchful()
    assert [one.id for one in machine(domicile).screen(seen.as_classifier())] == [new]
    assert [one.id for one in tenant.list()] == [new]
    assert get(tenant, new) == b"mine"


@pytest.mark.parametrize("minted_for", [2, 3])
def test_what_is_over_by_midnight_is_not_acknowledged(
    domicile: Domicile, tenant: BoundTenant, minted_for: int
) -> None:
    """Its id is from just before, for days of which the retention of today leaves none."""
    now = domicile.clock.now()
    midnight = datetime.combine(now.date(), time(), UTC) + timedelta(days=1)
    domicile.clock.advance(midnight - now - timedelta(seconds=1))
    before = tenant.new_id(DataClass.PROMPT, keep_days=minted_for)
    keep(domicile, tenant.id, prompt=2)
    domicile.pass_time(seconds=1)

    with pytest.raises(StaleId):
        tenant.put(DataClass.PROMPT, b"mine", id=before)
    with pytest.raises(NotFound):
        get(tenant, before)
    assert get(tenant, put_prompt(domicile, "u")) == b"mine"


def test_another_process_refuses_at_once(domicile: Domicile, tenant: BoundTenant) -> None:
    """Though it has the terms of before in its memory."""
    old = put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    with domicile.open_another() as other:
        theirs = other.tenant(tenant.id).bind(tenant.actor)
        assert theirs.get(old, purpose=SERVE).body == b"mine"

        keep(domicile, tenant.id, prompt=7)

        with pytest.raises(Expired):
            theirs.get(old, purpose=SERVE)
        assert not theirs.list()


def test_explain_says_when_it_ends_now(domicile: Domicile, tenant: BoundTenant) -> None:
    """And so do lists, and what a read returns."""
    put = tenant.put(DataClass.PROMPT, b"mine")
    before = tenant.explain(put.id)
    assert put.id.minted is not None
    keep(domicile, tenant.id, prompt=7)

    now = tenant.explain(put.id)

    end = datetime.combine((put.id.minted + timedelta(days=6)).date(), time.min, UTC)
    assert (now.readable_until, now.deadline) == (end, end + timedelta(days=4))
    assert before.readable_until is not None
    assert end < before.readable_until
    assert tenant.list()[0].deadline == now.deadline
    assert tenant.get(put.id, purpose=SERVE).info.deadline == now.deadline


def test_a_longer_retention_applies_to_new_records_only(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The day in the id holds."""
    keep(domicile, tenant.id, prompt=7)
    old = put_prompt(domicile, "u")
    keep(domicile, tenant.id, prompt=30)
    new = put_prompt(domicile, "u")

    domicile.pass_time(days=7)

    with pytest.raises(Expired):
        get(tenant, old)
    assert get(tenant, new) == b"mine"


def test_a_classifier_keeps_no_flag_of_what_ended_while_it_looked(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """The flags are written in a transaction of its own, which looks again."""
    put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    seen = Watchful()

    class _Shortens(Watchful):
        def __call__(self, body: bytes, metadata: object) -> list[object]:  # type: ignore[override]
            keep(domicile, tenant.id, prompt=7)
            return list(seen(b"bad", {}))

    (failed,) = machine(domicile).screen(_Shortens().as_classifier())

    assert isinstance(getattr(failed, "error", None), Expired)


def test_a_hold_in_force_is_not_shortened(domicile: Domicile, tenant: BoundTenant) -> None:
    """What it keeps is listed with the day of its id."""
    old = put_prompt(domicile, "u")
    hold = place_hold(domicile).hold
    domicile.pass_time(days=10)
    before = domicile.store.admin.holds.records(hold.id)

    keep(domicile, tenant.id, prompt=0)

    assert [one.id for one in before] == [old]
    assert domicile.store.admin.holds.records(hold.id) == before
    with pytest.raises(Expired):
        get(tenant, old)


def test_an_id_from_before_a_shortening_is_not_written(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """Also not if its day has not come by the retention of today."""
    stale = tenant.new_id(DataClass.PROMPT)
    keep(domicile, tenant.id, prompt=7)

    with pytest.raises(StaleId):
        tenant.put(DataClass.PROMPT, b"late", id=stale)
    assert not tenant.list()


class TestPerRecord:
    """A record says itself how long it is kept, within what its tenant allows."""

    def test_each_way_to_write_takes_days(self, domicile: Domicile, tenant: BoundTenant) -> None:
        """And each record ends on its own day."""
        short = [
            tenant.put(DataClass.PROMPT, b"1", keep_days=7).id,
            tenant.put(
                DataClass.PROMPT, b"2", id=tenant.new_id(DataClass.PROMPT, keep_days=7), keep_days=7
            ).id,
            tenant.put_file(BytesIO(b"3"), keep_days=7).id,
        ]
        many = tenant.put_many([NewRecord(DataClass.PROMPT, b"4", keep_days=7)])
        short += [one.id for one in many if isinstance(one, PutResult)]
        with tenant.capture(DataClass.COMPLETION, keep_days=7) as captured:
            captured.write(b"5")
        short.append(captured.id)
        long = [put_prompt(domicile, "u"), put_file(domicile, "u")]
        assert len(tenant.list()) == len(short) + len(long) == 7

        domicile.pass_time(days=7)

        assert [one.id for one in tenant.list()] == long
        for gone in short:
            with pytest.raises(Expired):
                tenant.get(gone, purpose=SERVE)

    def test_more_than_the_tenants_is_refused(
        self, domicile: Domicile, tenant: BoundTenant
    ) -> None:
        """By every way to write, and nothing is left behind."""
        keep(domicile, tenant.id, prompt=7, fine_tuning_file=7)
        with pytest.raises(InvalidRequest, match="keeps a prompt for 7 days"):
            tenant.new_id(DataClass.PROMPT, keep_days=8)
        with pytest.raises(InvalidRequest):
            tenant.put(DataClass.PROMPT, b"x", keep_days=8)
        with pytest.raises(InvalidRequest):
            tenant.put_file(BytesIO(b"x"), keep_days=8)
        (failed,) = tenant.put_many([NewRecord(DataClass.PROMPT, b"x", keep_days=8)])
        assert isinstance(failed, PutFailure)
        for wrong in (0, -1, 1, True, "7", 7.0):
            with pytest.raises(InvalidRequest):
                tenant.put(DataClass.PROMPT, b"x", keep_days=wrong)  # type: ignore[arg-type]
        assert not tenant.list()

    def test_a_put_that_says_otherwise_than_its_id_is_refused(self, tenant: BoundTenant) -> None:
        """In both directions; one that says nothing follows its id."""
        short = tenant.new_id(DataClass.PROMPT, keep_days=7)
        usual = tenant.new_id(DataClass.PROMPT)
        for record_id, days in ((short, 8), (short, 30), (usual, 7)):
            with pytest.raises(InvalidRequest, match="another day"):
                tenant.put(DataClass.PROMPT, b"x", id=record_id, keep_days=days)
        assert not tenant.list()

        assert tenant.put(DataClass.PROMPT, b"x", id=short).id == short
        assert tenant.put(DataClass.PROMPT, b"x", id=usual, keep_days=30).id == usual

    def test_a_key_with_other_days_is_another_record(self, tenant: BoundTenant) -> None:
        """The day is part of what the key names."""
        ids = {
            tenant.new_id(DataClass.PROMPT, key="k", keep_days=days).unique for days in (7, 7, 8)
        }

        assert len(ids) == 2


def test_an_investigator_is_refused_too(domicile: Domicile, tenant: BoundTenant) -> None:
    """A grant opens what may be read, and no more."""
    old = put_prompt(domicile, "u")
    domicile.pass_time(days=10)
    made = domicile.grant(
        GrantSpec(
            tenant.id,
            Purpose.ABUSE_INVESTIGATION,
            INVESTIGATOR.id,
            case="T-1",
            justification="why",
            scope=Scope.tenant(),
            hours=1,
            records_max=5,
        )
    )
    theirs = domicile.store.tenant(tenant.id).bind(INVESTIGATOR, grant=made.id)
    assert theirs.get(old, purpose=Purpose.ABUSE_INVESTIGATION).body == b"mine"

    keep(domicile, tenant.id, prompt=7)

    with pytest.raises(Expired):
        theirs.get(old, purpose=Purpose.ABUSE_INVESTIGATION)
