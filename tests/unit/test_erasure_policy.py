"""What is destroyed, when, and when its destruction counts as complete."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Bounds, DataClass
from storage.errors import NaiveDatetime, StaleId
from storage.model import RecordId, ReplicaState, TenantSpec
from storage.policy import (
    Absence,
    AbsenceReason,
    DestroyReason,
    ObjectPlan,
    Permit,
    PlanReason,
    absent,
    accept_id,
    cutoff,
    fence_until,
    may_destroy,
    plan_erasure,
    retain,
)
from storage.policy.erasure import Target

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
BOUNDS = Bounds()
SHIPPED = load_topology()
ERROR = timedelta(seconds=2)
MOMENT = timedelta(microseconds=1)


@given(day=st.none() | st.dates(date(2026, 2, 1), date(2026, 6, 1)))
def test_an_object_with_nothing_alive_goes_at_once(day: date | None) -> None:
    """An object without survivors does not wait for a compaction window."""
    plan = plan_erasure(live=0, expiry_day=day, now=NOW, bounds=BOUNDS)

    assert plan == ObjectPlan("purge", NOW, PlanReason.NOTHING_ALIVE)


@given(
    live=st.integers(1, 10_000),
    day=st.none() | st.dates(date(2026, 2, 1), date(2026, 6, 1)),
    hours=st.integers(0, 720),
)
def test_survivors_make_it_wait_for_a_window_at_most(
    live: int, day: date | None, hours: int
) -> None:
    """Within the window the object is compacted, or has expired before."""
    bounds = Bounds(compaction_hours=hours)
    plan = plan_erasure(live=live, expiry_day=day, now=NOW, bounds=bounds)

    assert plan.at <= NOW + bounds.compaction
    if plan.action == "expires":
        assert day is not None
        assert plan.at == datetime(day.year, day.month, day.day, tzinfo=UTC)
        assert plan.reason is PlanReason.EXPIRES_FIRST
    else:
        assert plan == ObjectPlan("compact", NOW + bounds.compaction, PlanReason.SURVIVORS)
        assert day is None or datetime(day.year, day.month, day.day, tzinfo=UTC) > plan.at


def test_an_object_that_expires_within_the_window_is_not_rewritten() -> None:
    """The window ends at noon on the fourth; midnight before and midnight after differ."""
    assert plan_erasure(live=1, expiry_day=date(2026, 3, 4), now=NOW, bounds=BOUNDS) == ObjectPlan(
        "expires", datetime(2026, 3, 4, tzinfo=UTC), PlanReason.EXPIRES_FIRST
    )
    assert plan_erasure(live=1, expiry_day=date(2026, 3, 5), now=NOW, bounds=BOUNDS) == ObjectPlan(
        "compact", datetime(2026, 3, 4, 12, tzinfo=UTC), PlanReason.SURVIVORS
    )


@pytest.mark.parametrize(
    ("what", "state"),
    list(product(get_args(Target), [*ReplicaState, "open", "expiring", "dropped"])),
)
def test_what_is_held_is_destroyed_by_no_path(what: Target, state: str) -> None:
    """A hold protects every target in every state, even long after its day."""
    permit = may_destroy(what=what, state=state, held=True, now=NOW, day=date(2020, 1, 1))

    assert permit == Permit(DestroyReason.HELD)


@pytest.mark.parametrize("state", [*ReplicaState, "", "expiring"])
def test_a_replica_goes_only_when_it_is_marked_for_purge(state: str) -> None:
    """A late task does not purge a replica that is being written, stored or unknown."""
    permit = may_destroy(what="replica", state=state, held=False, now=NOW)

    assert permit.allowed == (state == ReplicaState.PURGING)
    assert permit.reason == ("allowed" if permit.allowed else "not_purging")


@pytest.mark.parametrize(
    ("what", "state", "reason"),
    [
        ("partition", "open", "day_not_expiring"),
        ("partition", "expiring", "allowed"),
        ("partition", "dropped", "day_not_expiring"),
        ("partition", "purging", "day_not_expiring"),
        ("key", "open", "day_not_expiring"),
        ("key", "expiring", "allowed"),
        ("key", "dropped", "allowed"),
        ("key", "purging", "day_not_expiring"),
    ],
)
def test_a_day_goes_only_when_no_record_can_be_added(what: Target, state: str, reason: str) -> None:
    """Rows and day keys of an open day stay; its keys may go after its rows."""
    permit = may_destroy(what=what, state=state, held=False, now=NOW, day=TODAY)

    assert permit == Permit(DestroyReason(reason))


@pytest.mark.parametrize("what", ["partition", "key"])
def test_a_day_goes_only_when_its_records_can_no_longer_be_read(what: Target) -> None:
    """From its first midnight on, in UTC. Without a day, nothing is destroyed."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)

    def ask(now: datetime, day: date | None) -> Permit:
        return may_destroy(what=what, state="expiring", held=False, now=now, day=day)

    assert ask(midnight, TODAY).allowed
    assert ask(midnight - MOMENT, TODAY) == Permit(DestroyReason.DAY_NOT_OVER)
    assert ask(midnight, None) == Permit(DestroyReason.DAY_NOT_OVER)


@given(
    left=st.integers(0, 3),
    late=st.timedeltas(-timedelta(hours=1), timedelta(hours=1)),
)
def test_a_replica_is_absent_only_when_nothing_is_left_and_nothing_can_land(
    left: int, late: timedelta
) -> None:
    """A listing before the last moment proves nothing, and neither does time alone."""
    absence = absent(left=left, now=NOW + late, land_by=NOW)

    assert absence.done == (left == 0 and late > timedelta(0))


def test_at_its_last_moment_a_write_may_still_land() -> None:
    """``land_by`` itself is included."""
    assert absent(left=0, now=NOW, land_by=NOW) == Absence(AbsenceReason.MAY_STILL_LAND)
    assert absent(left=0, now=NOW + MOMENT, land_by=NOW) == Absence(AbsenceReason.ABSENT)
    assert absent(left=1, now=NOW + MOMENT, land_by=NOW).reason == "left"


@given(
    after=st.timedeltas(timedelta(0), timedelta(days=3)),
    skew=st.floats(-1, 1),
)
def test_no_id_that_a_fence_covers_is_written_after_the_fence_is_gone(
    after: timedelta, skew: float
) -> None:
    """A fence stands for as long as any id that it covers may be written."""
    erased = NOW
    covered = cutoff(erased, ERROR)
    tenant = TenantSpec("acme-eu", "acme", "eu-central-1", "EU")
    # minted at the same moment, by a clock that is off by up to the tolerated error
    minted = erased + skew * ERROR
    day = retain(SHIPPED, tenant, DataClass.PROMPT, minted).expiry_day
    record_id = RecordId.mint(
        DataClass.PROMPT, "eu-central-1", minted, day, tenant=tenant.id, entropy=bytes
    )
    now = erased + after

    assert record_id.minted <= covered
    if now > fence_until(covered, SHIPPED.bounds):
        with pytest.raises(StaleId):
            accept_id(SHIPPED, tenant, record_id, now, ERROR)


def test_a_fence_stands_a_write_window_beyond_what_it_covers() -> None:
    """The values: two seconds of clock error, one day of write window."""
    assert cutoff(NOW, ERROR) == NOW + ERROR
    assert fence_until(NOW, BOUNDS) == NOW + timedelta(hours=24)


def test_moments_without_a_zone_are_refused() -> None:
    """Naive datetimes are never interpreted when something may be destroyed."""
    naive = NOW.replace(tzinfo=None)

    with pytest.raises(NaiveDatetime):
        plan_erasure(live=0, expiry_day=None, now=naive, bounds=BOUNDS)
    with pytest.raises(NaiveDatetime):
        absent(left=0, now=NOW, land_by=naive)
    with pytest.raises(NaiveDatetime):
        may_destroy(what="key", state="expiring", held=False, now=naive, day=TODAY)
    with pytest.raises(NaiveDatetime):
        cutoff(naive, ERROR)
