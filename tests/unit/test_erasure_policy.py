"""What is destroyed, when, and when its destruction counts as complete."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Bounds, DataClass
from storage.errors import Held, NaiveDatetime, Refused, StaleId
from storage.model import CopyState, RecordId, ReplicaState, TenantSpec
from storage.policy import (
    ORPHAN_GRACE,
    Absence,
    AbsenceReason,
    DestroyReason,
    Destruction,
    ObjectPlan,
    PlanReason,
    absent,
    accept_id,
    clocks_agree,
    cutoff,
    fence_until,
    ledger_from,
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
TARGETS: dict[Target, tuple[set[str], DestroyReason]] = {
    "record": ({"erased", "released"}, DestroyReason.NOT_ERASED),
    "object": ({"writing", "stored"}, DestroyReason.NOT_THERE),
    "replica": ({"purging"}, DestroyReason.NOT_PURGING),
    "key": ({"expiring", "dropped"}, DestroyReason.DAY_NOT_EXPIRING),
    "partition": ({"expiring"}, DestroyReason.DAY_NOT_EXPIRING),
    "orphan": ({"unknown"}, DestroyReason.ANNOUNCED),
    "copy": ({"requested"}, DestroyReason.NOT_REQUESTED),
}


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


def test_an_object_that_expires_as_the_window_ends_is_not_rewritten() -> None:
    """Expiry and compaction would begin at the same moment, and expiry is less work."""
    half = Bounds(compaction_hours=12)
    plan = plan_erasure(live=1, expiry_day=date(2026, 3, 2), now=NOW, bounds=half)

    assert plan == ObjectPlan("expires", datetime(2026, 3, 2, tzinfo=UTC), PlanReason.EXPIRES_FIRST)


@pytest.mark.parametrize(
    ("what", "state"),
    list(product(TARGETS, [*ReplicaState, "open", "expiring", "dropped"])),
)
def test_what_is_held_is_destroyed_by_no_path(what: Target, state: str) -> None:
    """A hold protects every target in every state, even long after its day."""
    destruction = may_destroy(what=what, state=state, held=True, now=NOW, day=date(2020, 1, 1))

    assert destruction == Destruction(DestroyReason.HELD)


@pytest.mark.parametrize("what", TARGETS)
def test_each_target_goes_only_in_its_states(what: Target) -> None:
    """In any other state it stays, and the reason says which condition is not met."""
    states, otherwise = TARGETS[what]
    others = {*ReplicaState, *CopyState, "open", "erased", "released", "unknown", "dropped", ""}
    since = NOW - 2 * ORPHAN_GRACE

    for state in others | states | {"expiring"}:
        destruction = may_destroy(
            what=what, state=state, held=False, now=NOW, day=TODAY, since=since
        )

        assert destruction.allowed == (state in states)
        assert destruction.reason is (DestroyReason.ALLOWED if state in states else otherwise)


def test_a_permit_is_demanded() -> None:
    """Held under a hold, Refused for any other reason; with the reason, and silent if allowed."""
    Destruction(DestroyReason.ALLOWED).demand()
    for reason in set(DestroyReason) - {DestroyReason.ALLOWED}:
        with pytest.raises(Held if reason is DestroyReason.HELD else Refused) as caught:
            Destruction(reason).demand()

        assert caught.value.reasons == (reason,)
        assert isinstance(caught.value, Held) == (reason is DestroyReason.HELD)


@pytest.mark.parametrize("what", ["partition", "key"])
def test_a_day_goes_only_when_its_records_can_no_longer_be_read(what: Target) -> None:
    """From its first midnight on, in UTC. Without a day, nothing is destroyed."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)

    def ask(now: datetime, day: date | None) -> Destruction:
        return may_destroy(what=what, state="expiring", held=False, now=now, day=day)

    assert ask(midnight, TODAY).allowed
    assert ask(midnight - MOMENT, TODAY) == Destruction(DestroyReason.DAY_NOT_OVER)
    assert ask(midnight, None) == Destruction(DestroyReason.DAY_NOT_OVER)


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
    if now > fence_until(covered):
        with pytest.raises(StaleId):
            accept_id(SHIPPED, tenant, record_id, now, ERROR)


def test_a_fence_stands_a_write_window_beyond_what_it_covers() -> None:
    """The values: two seconds of clock error, one day of write window."""
    assert cutoff(NOW, ERROR) == NOW + ERROR
    assert fence_until(NOW) == NOW + timedelta(hours=24)


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


def test_the_clocks_may_be_a_minute_apart() -> None:
    """Up to a minute included; beyond that nothing is destroyed."""
    minute = timedelta(minutes=1)

    assert clocks_agree(timedelta())
    assert clocks_agree(minute)
    assert not clocks_agree(minute + MOMENT)


@given(backups=st.timedeltas(timedelta(), timedelta(days=365)))
def test_the_ledger_is_kept_for_the_oldest_backup_and_a_week(backups: timedelta) -> None:
    """A recovery that takes a week still finds every entry that its backup lacks."""
    assert ledger_from(NOW, backups) == NOW - backups - timedelta(days=7)
