"""How long a record is kept, and which ids a write accepts."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import WRITE_WINDOW, Bounds, ClassRule, DataClass, Purpose, Topology
from storage.errors import NaiveDatetime, StaleId, UnknownClass
from storage.model import RecordId, TenantSpec
from storage.policy import (
    RetentionReason,
    Term,
    accept_id,
    horizon_alarm,
    horizon_wanted,
    retain,
    term_of,
    too_old,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIPPED = load_topology()
ERROR = timedelta(seconds=2)
KEPT = Term(
    stored=True,
    expiry_day=None,
    readable_until=None,
    deadline=None,
    reason=RetentionReason.UNTIL_DELETED,
)

moments = st.datetimes(
    min_value=datetime(2021, 1, 1),  # noqa: DTZ001
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
purge_hours = st.integers(1, 240)


def topology(days: int | None, hours: int = 24, ceiling: int | None = None) -> Topology:
    """Return the shipped topology with another rule for prompts, purge bound, and no epochs."""
    rule = ClassRule(
        name=DataClass.PROMPT,
        retention_days=days,
        ceiling_days=ceiling,
        purposes=frozenset({Purpose.SERVE}),
    )
    return SHIPPED.model_copy(
        update={
            "classes": {**SHIPPED.classes, DataClass.PROMPT: rule},
            "bounds": Bounds(purge_hours=hours),
            "epochs": (),
        }
    )


def tenant(retention: Mapping[DataClass, int] | None = None) -> TenantSpec:
    """Return a tenant with its own retentions."""
    return TenantSpec("acme-eu", "acme", "eu-central-1", "EU", retention=retention or {})


def mint(now: datetime, day: date | None, data_class: DataClass = DataClass.PROMPT) -> RecordId:
    """Return an id as ``new_id`` makes it."""
    return RecordId.mint(data_class, "eu-central-1", now, day, tenant="acme-eu", entropy=bytes)


def test_thirty_days_are_readable_for_28_to_29() -> None:
    """The numbers of the design, to the minute."""
    term = retain(SHIPPED, tenant(), DataClass.PROMPT, NOW)

    assert term == Term(
        stored=True,
        expiry_day=date(2026, 3, 30),
        readable_until=datetime(2026, 3, 30, tzinfo=UTC),
        deadline=datetime(2026, 3, 31, tzinfo=UTC),
        reason=RetentionReason.CLASS_RETENTION,
    )


@given(written=moments, days=st.integers(1, 36_500), hours=purge_hours)
def test_bytes_are_gone_before_the_retention_is_over(
    written: datetime, days: int, hours: int
) -> None:
    """For any moment, time zone and purge bound: never too long."""
    term = retain(topology(days, hours), tenant(), DataClass.PROMPT, written)

    if term.deadline is not None and term.readable_until is not None:
        assert term.deadline <= written.astimezone(UTC) + timedelta(days=days)
        assert term.deadline - term.readable_until == timedelta(hours=hours)
        assert term.readable_until.utcoffset() == timedelta(0)
        assert term.readable_until.date() == term.expiry_day
        assert term.readable_until > written.astimezone(UTC)
    else:
        assert (term.stored, term.reason) == (False, "too_short")


@given(written=moments, days=st.integers(1, 36_500), hours=purge_hours)
def test_a_retention_that_loads_is_always_stored_and_readable(
    written: datetime, days: int, hours: int
) -> None:
    """A retention that the topology allows is never too short, and loses less than a day."""
    assume(Bounds(purge_hours=hours).allow(days))
    term = retain(topology(days, hours), tenant(), DataClass.PROMPT, written)

    assert term.deadline is not None
    assert term.deadline > written.astimezone(UTC) + timedelta(days=days - 1)


@given(hours=purge_hours, share=st.floats(0, 1))
def test_a_retention_that_does_not_load_would_not_always_be_readable(
    hours: int, share: float
) -> None:
    """The check at loading is exact: a record written at midnight would never be readable."""
    days = 1 + int(share * (hours - 1) / 24)
    assert not Bounds(purge_hours=hours).allow(days)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)

    assert not retain(topology(days, hours), tenant(), DataClass.PROMPT, midnight).stored


def test_zero_retention_stores_nothing() -> None:
    """Set by the class or the tenant, it stores no row and no byte anywhere."""
    nothing = Term(
        stored=False,
        expiry_day=None,
        readable_until=None,
        deadline=None,
        reason=RetentionReason.ZERO_RETENTION,
    )

    assert retain(topology(0), tenant(), DataClass.PROMPT, NOW) == nothing
    assert retain(SHIPPED, tenant({DataClass.PROMPT: 0}), DataClass.PROMPT, NOW) == nothing


def test_files_are_kept_until_they_are_deleted() -> None:
    """They have no expiry day and no deadline."""
    assert retain(SHIPPED, tenant(), DataClass.FINE_TUNING_FILE, NOW) == KEPT


def test_a_tenant_may_shorten_its_own_retention() -> None:
    """It applies to its class alone, also where the class keeps records until deleted."""
    own = tenant({DataClass.PROMPT: 7, DataClass.FINE_TUNING_FILE: 90})

    prompt = retain(SHIPPED, own, DataClass.PROMPT, NOW)
    assert (prompt.expiry_day, prompt.reason) == (date(2026, 3, 7), "tenant_retention")
    file = retain(SHIPPED, own, DataClass.FINE_TUNING_FILE, NOW)
    assert file.expiry_day == date(2026, 5, 29)
    completion = retain(SHIPPED, own, DataClass.COMPLETION, NOW)
    assert completion.reason == "class_retention"


def test_a_lowered_ceiling_binds_tenants_that_came_before() -> None:
    """No setting extends a deadline beyond the ceiling, however old the setting is."""
    term = retain(topology(10, ceiling=10), tenant({DataClass.PROMPT: 30}), DataClass.PROMPT, NOW)

    assert (term.expiry_day, term.reason) == (date(2026, 3, 10), "ceiling")


def test_a_retention_that_equals_the_ceiling_is_the_tenants_own() -> None:
    """The tenant set it, so the reason names the tenant."""
    term = retain(topology(10, ceiling=10), tenant({DataClass.PROMPT: 10}), DataClass.PROMPT, NOW)

    assert (term.expiry_day, term.reason) == (date(2026, 3, 10), "tenant_retention")


def test_an_unknown_class_and_a_naive_time_are_refused() -> None:
    """Neither gets a default."""
    bare = SHIPPED.model_copy(update={"classes": {}})

    with pytest.raises(UnknownClass):
        retain(bare, tenant(), DataClass.PROMPT, NOW)
    with pytest.raises(NaiveDatetime):
        retain(SHIPPED, tenant(), DataClass.PROMPT, NOW.replace(tzinfo=None))


@given(written=moments, days=st.integers(2, 3650))
def test_an_existing_record_has_the_term_that_it_was_written_with(
    written: datetime, days: int
) -> None:
    """The moments follow from the day alone, so a row stores only the day."""
    rules = topology(days)
    term = retain(rules, tenant(), DataClass.PROMPT, written)
    again = term_of(term.expiry_day, rules.bounds)

    assert (again.stored, again.readable_until, again.deadline) == (
        term.stored,
        term.readable_until,
        term.deadline,
    )
    assert term_of(None, rules.bounds) == KEPT


@given(now=moments, days=st.integers(0, 3650), hours=purge_hours)
def test_an_id_minted_now_is_accepted_now(now: datetime, days: int, hours: int) -> None:
    """A fresh id is accepted at any hour, and gets the term that it was minted for."""
    assume(Bounds(purge_hours=hours).allow(days))
    rules = topology(days, hours)
    term = retain(rules, tenant(), DataClass.PROMPT, now)
    fresh = mint(now, term.expiry_day)

    assert accept_id(rules, tenant(), fresh, now, timedelta(0)) == term


@given(
    now=moments,
    days=st.integers(2, 3650),
    hours=purge_hours,
    share=st.floats(0, 1),
)
def test_an_id_stays_good_for_the_write_window_or_until_its_day_comes(
    now: datetime, days: int, hours: int, share: float
) -> None:
    """A retry keeps its id and expiry day, and the deadline never exceeds the retention."""
    assume(Bounds(purge_hours=hours).allow(days))
    rules = topology(days, hours)
    start = now.astimezone(UTC)
    first = retain(rules, tenant(), DataClass.PROMPT, start)
    fresh = mint(start, first.expiry_day)
    later = fresh.minted + share * WRITE_WINDOW
    assert first.readable_until is not None
    assume(start <= later < first.readable_until)

    term = accept_id(rules, tenant(), fresh, later, timedelta(0))

    assert term.expiry_day == first.expiry_day
    assert term.deadline is not None
    assert term.deadline <= later + timedelta(days=days)


@example(now=datetime(2026, 3, 1, tzinfo=timezone(timedelta(minutes=1))), days=2, ahead=1.0)
@example(now=datetime(2026, 3, 2, tzinfo=UTC) - ERROR / 2, days=30, ahead=1.0)
@given(now=moments, days=st.integers(2, 3650), ahead=st.floats(0, 1))
def test_an_id_of_a_clock_that_is_ahead_within_the_error_is_accepted(
    now: datetime, days: int, ahead: float
) -> None:
    """Another process's clock may be ahead, also around midnight, when its day differs."""
    theirs = now + ahead * ERROR
    day = retain(topology(days), tenant(), DataClass.PROMPT, theirs).expiry_day

    term = accept_id(topology(days), tenant(), mint(theirs, day), now, ERROR)

    assert term.expiry_day == day


@given(now=moments, age=st.timedeltas(timedelta(0), timedelta(days=40)))
def test_an_id_older_than_the_write_window_is_refused(now: datetime, age: timedelta) -> None:
    """After the window a fence may be pruned, so no id that it covered may be written."""
    then = now.astimezone(UTC) - age
    old = mint(then, retain(SHIPPED, tenant(), DataClass.PROMPT, then).expiry_day)
    past = old.minted < now.astimezone(UTC) - WRITE_WINDOW

    assert too_old(old, now) == past
    if past:
        with pytest.raises(StaleId, match="more than a day ago"):
            accept_id(SHIPPED, tenant(), old, now, ERROR)
    else:
        assert accept_id(SHIPPED, tenant(), old, now, ERROR).stored


def test_an_id_from_the_future_is_refused() -> None:
    """Beyond the clock error it would outlive the fences that should cover it."""
    day = date(2026, 3, 30)
    ahead = mint(NOW + ERROR + timedelta(milliseconds=1), day)

    with pytest.raises(StaleId, match="future"):
        accept_id(SHIPPED, tenant(), ahead, NOW, ERROR)


@pytest.mark.parametrize(
    ("rules", "day", "message"),
    [
        (topology(7), date(2026, 3, 30), "shortened"),
        (topology(30), date(2026, 3, 31), "shortened"),
        (topology(30), None, "switched on"),
        (topology(30), date(2026, 3, 1), "has begun"),
        (topology(30), date(2026, 2, 20), "has begun"),
    ],
)
def test_an_id_for_another_retention_is_refused(
    rules: Topology, day: date | None, message: str
) -> None:
    """An id names one partition for ever, so the record would expire too late or at once."""
    with pytest.raises(StaleId, match=message):
        accept_id(rules, tenant(), mint(NOW, day), NOW, ERROR)


def test_an_id_for_a_shorter_retention_is_accepted_and_keeps_its_day() -> None:
    """Retention was lengthened since; expiring earlier than allowed is fine."""
    term = accept_id(topology(30), tenant(), mint(NOW, date(2026, 3, 7)), NOW, ERROR)

    assert term.expiry_day == date(2026, 3, 7)
    assert term.deadline == datetime(2026, 3, 8, tzinfo=UTC)


def test_zero_retention_takes_any_id_and_stores_nothing() -> None:
    """A tenant that switches storage off can keep using its ids."""
    off = tenant({DataClass.PROMPT: 0})

    for day in (None, date(2026, 3, 30)):
        assert not accept_id(SHIPPED, off, mint(NOW, day), NOW, ERROR).stored


def test_an_id_of_a_file_is_accepted_without_a_day() -> None:
    """A record that is kept until deleted has no day, and neither has its id."""
    file = mint(NOW, None, DataClass.FINE_TUNING_FILE)

    assert accept_id(SHIPPED, tenant(), file, NOW, ERROR) == KEPT


def test_an_id_keeps_its_day_where_the_class_has_none() -> None:
    """It was minted for fewer days, or the retention was switched off since: an end is allowed."""
    file = mint(NOW, date(2026, 4, 1), DataClass.FINE_TUNING_FILE)

    assert accept_id(SHIPPED, tenant(), file, NOW, ERROR).expiry_day == date(2026, 4, 1)


@pytest.mark.parametrize(("days", "longest"), [(30, 30), (400, 400), (None, 30)])
def test_partitions_are_made_two_weeks_ahead(days: int | None, longest: int) -> None:
    """Beyond the longest retention. The alarm comes at three days: no worker makes partitions."""
    rules = topology(days)
    today, day = NOW.date(), timedelta(days=1)
    needed = today + longest * day

    assert horizon_wanted(rules, today) == needed + 14 * day
    assert not horizon_alarm(rules, today, needed + 3 * day)
    assert horizon_alarm(rules, today, needed + 2 * day)
    assert horizon_alarm(rules, today, None)


def test_without_expiring_classes_partitions_are_made_all_the_same() -> None:
    """A topology that keeps everything until deleted may be changed on any day."""
    files = {DataClass.FINE_TUNING_FILE: SHIPPED.classes[DataClass.FINE_TUNING_FILE]}
    for classes in ({}, files):
        rules = SHIPPED.model_copy(update={"classes": classes})

        assert horizon_wanted(rules, date(2026, 3, 1)) == date(2026, 3, 15)
