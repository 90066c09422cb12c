"""When reading ends, by the id's day and by the retention that is in force today."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Bounds, ClassRule, DataClass, Purpose, Topology
from storage.errors import InvalidRequest, StaleId
from storage.model import RecordId, TenantSpec
from storage.policy import (
    RetentionReason,
    accept_id,
    check_kept,
    ended_before,
    retain,
    retain_for,
    term_now,
    term_of,
)

SHIPPED = load_topology()
ERROR = timedelta(seconds=2)
NOW = datetime(2026, 3, 10, 15, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

moments = st.datetimes(
    min_value=datetime(2025, 1, 1),  # noqa: DTZ001
    max_value=datetime(2027, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
days_or_none = st.none() | st.integers(0, 60)


def topology(days: int | None, hours: int = 24) -> Topology:
    """Return the shipped topology with another rule for prompts and another purge bound."""
    rule = ClassRule(
        name=DataClass.PROMPT, retention_days=days, purposes=frozenset({Purpose.SERVE})
    )
    return SHIPPED.model_copy(
        update={
            "classes": {**SHIPPED.classes, DataClass.PROMPT: rule},
            "bounds": Bounds(purge_hours=hours),
        }
    )


def minted(moment: datetime, day: date | None) -> RecordId:
    """Return the id of a prompt."""
    return RecordId(DataClass.PROMPT, "eu-central-1", moment, day, bytes(16))


def tenant(days: int | None = None) -> TenantSpec:
    """Return a tenant that keeps prompts for so many days."""
    own = {} if days is None else {DataClass.PROMPT: days}
    return TenantSpec("t", "a", "eu-central-1", "EU", retention=own)


def oracle(
    now: datetime, written: datetime, day: date | None, days: int | None, hours: int
) -> bool:
    """Return whether a record may be read: counted in whole days, hour by hour, from the text.

    It ends with the UTC day that begins at least a purge bound before the retention is over, and a
    record that would end on the day of its minting or before is never readable.
    """
    if day is not None and now >= datetime(day.year, day.month, day.day, tzinfo=UTC):
        return False
    if days is None:
        return True
    over = written + timedelta(hours=24 * days - hours)
    ends = datetime(over.year, over.month, over.day, tzinfo=UTC)
    first = datetime(written.year, written.month, written.day, tzinfo=UTC)
    return now < ends and ends > first


@given(
    now=moments,
    age=st.timedeltas(timedelta(), timedelta(days=90)),
    left=st.none() | st.integers(-5, 90),
    days=days_or_none,
    hours=st.integers(1, 240),
)
def test_reading_ends_by_the_earlier_of_the_ids_day_and_the_retention_of_today(
    now: datetime, age: timedelta, left: int | None, days: int | None, hours: int
) -> None:
    """As the oracle says, for one record and for a query over many."""
    written = now - age
    day = None if left is None else (now + timedelta(days=left)).date()
    assume(day is None or day > written.date())
    rules = topology(days, hours)
    term = term_now(rules, {}, minted(written, day))
    readable = term.readable_until is None or now < term.readable_until

    before = ended_before(rules, {}, now).get(DataClass.PROMPT)
    over = day is not None and now.date() >= day
    in_a_query = not over and (before is None or written >= before)

    assert readable == in_a_query == oracle(now, written, day, days, hours)


@given(written=moments, at_first=st.integers(3, 60), later=days_or_none, hours=st.integers(1, 48))
def test_a_longer_retention_leaves_a_record_as_it_was_minted(
    written: datetime, at_first: int, later: int | None, hours: int
) -> None:
    """And the same retention changes nothing; a shorter one never delays the end."""
    rules = topology(at_first, hours)
    day = retain(rules, tenant(), DataClass.PROMPT, written).expiry_day
    assume(day is not None)
    known = minted(written, day)
    fixed = term_of(day, rules.bounds)

    now = term_now(topology(later, hours), {}, known)

    assert term_now(rules, {}, known) == fixed
    if later is None or later >= at_first:
        assert now == fixed
    assert now.readable_until is not None
    assert fixed.readable_until is not None
    assert now.readable_until <= fixed.readable_until
    assert now.deadline is not None
    assert fixed.deadline is not None
    assert now.deadline <= fixed.deadline


@example(now=datetime(2026, 3, 11, tzinfo=UTC), age=_SECOND, left=1, days=2, hours=24)
@given(
    now=moments,
    age=st.timedeltas(timedelta(), timedelta(days=1)),
    left=st.none() | st.integers(-1, 61),
    days=days_or_none,
    hours=st.integers(1, 48),
)
def test_no_write_is_accepted_that_has_ended_already(
    now: datetime, age: timedelta, left: int | None, days: int | None, hours: int
) -> None:
    """Though its id was minted before midnight, for more days. It ends when the answer says."""
    rules = topology(days, hours)
    day = None if left is None else (now + timedelta(days=left)).date()
    known = minted(now - age, day)
    try:
        term = accept_id(rules, tenant(), known, now, ERROR)
    except StaleId:
        return
    assume(term.stored)

    end = term_now(rules, {}, known).readable_until

    assert end == term.readable_until
    assert end is None or now < end


def test_what_was_kept_until_deleted_ends_once_a_retention_says_so() -> None:
    """An id without a day ends by its minting and the days of today. Its bytes go after it."""
    term = term_now(topology(7), {}, minted(NOW, None))

    assert term.readable_until == datetime(2026, 3, 16, tzinfo=UTC)
    assert term.deadline == datetime(2026, 3, 20, tzinfo=UTC)
    assert term.reason is RetentionReason.CLASS_RETENTION


def test_a_tenants_own_days_and_the_ceiling_count_too() -> None:
    """What binds a new record binds an old one."""
    old = minted(NOW, date(2026, 4, 8))

    own = term_now(SHIPPED, {DataClass.PROMPT: 7}, old)
    assert (own.readable_until, own.reason) == (
        datetime(2026, 3, 16, tzinfo=UTC),
        RetentionReason.TENANT_RETENTION,
    )
    zero = term_now(SHIPPED, {DataClass.PROMPT: 0}, old)
    assert zero.readable_until == datetime(2026, 3, 10, tzinfo=UTC)


def test_a_class_that_the_topology_lost_ends_by_the_ids_day() -> None:
    """A listing does not fail because of it."""
    others = {k: v for k, v in SHIPPED.classes.items() if k is not DataClass.PROMPT}
    rules = SHIPPED.model_copy(update={"classes": others})
    old = minted(NOW, date(2026, 4, 8))

    assert term_now(rules, {}, old) == term_of(old.day, rules.bounds)
    assert DataClass.PROMPT not in ended_before(rules, {}, NOW)


@given(days=st.integers(2, 30), keep=st.integers(-2, 40))
def test_a_record_is_kept_for_fewer_days_than_its_tenants_and_never_for_more(
    days: int, keep: int
) -> None:
    """Its id has the earlier day, and is accepted."""
    if not 2 <= keep <= days:
        with pytest.raises(InvalidRequest):
            retain_for(SHIPPED, tenant(days), DataClass.PROMPT, NOW, keep)
        return

    term = retain_for(SHIPPED, tenant(days), DataClass.PROMPT, NOW, keep)

    assert term.expiry_day == retain(SHIPPED, tenant(keep), DataClass.PROMPT, NOW).expiry_day
    record_id = minted(NOW, term.expiry_day)
    accepted = accept_id(SHIPPED, tenant(days), record_id, NOW, ERROR)
    assert accepted.expiry_day == term.expiry_day
    if keep < days:
        assert accepted.reason is RetentionReason.RECORD_RETENTION
        with pytest.raises(InvalidRequest):
            check_kept(SHIPPED, record_id, days)
    check_kept(SHIPPED, record_id, keep)
    check_kept(SHIPPED, record_id, None)


def test_a_day_is_accepted_where_the_class_has_none_and_not_the_reverse() -> None:
    """A file may say when it ends. An id without a day is not for a class that ends."""
    files = DataClass.FINE_TUNING_FILE
    term = retain_for(SHIPPED, tenant(), files, NOW, 90)
    record_id = RecordId(files, "eu-central-1", NOW, term.expiry_day, bytes(16))

    assert accept_id(SHIPPED, tenant(), record_id, NOW, ERROR).expiry_day == term.expiry_day
    with pytest.raises(StaleId):
        accept_id(SHIPPED, tenant(), minted(NOW, None), NOW, ERROR)


def test_no_record_is_kept_by_a_tenant_that_keeps_none() -> None:
    """keep_days is at or below the tenant's, which is 0."""
    with pytest.raises(InvalidRequest, match="keeps a prompt for 0 days"):
        retain_for(SHIPPED, tenant(0), DataClass.PROMPT, NOW, 7)
