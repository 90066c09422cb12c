"""When reading ends at a moment that the writer names."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import Bounds, DataClass
from storage.errors import InvalidRequest
from storage.model import RecordId, TenantSpec
from storage.policy import (
    RetentionReason,
    check_until,
    days_until,
    retain_for,
    term_now,
)

SHIPPED = load_topology()
FILE, PROMPT, EVENT = DataClass.FINE_TUNING_FILE, DataClass.PROMPT, DataClass.EVENT
NOW = datetime(2026, 3, 10, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TENANT = TenantSpec("t", "a", "eu-central-1", "EU")

moments = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2027, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
after = st.timedeltas(min_value=SECOND, max_value=timedelta(days=400))


def minted(day: date | None, data_class: DataClass = PROMPT) -> RecordId:
    """Return an id."""
    return RecordId(data_class, "eu-central-1", NOW, day, bytes(16))


@given(written=moments, after=after, hours=st.integers(1, 240))
def test_the_days_suffice_and_one_less_would_not(
    written: datetime, after: timedelta, hours: int
) -> None:
    """But for the fewest that a record may be kept."""
    bounds = Bounds(purge_hours=hours)
    topology = SHIPPED.model_copy(update={"bounds": bounds})
    until = written + after
    days = days_until(topology, until, written)

    def end(days: int) -> datetime:
        found = retain_for(topology, TENANT, FILE, written, days).readable_until
        assert found is not None
        return found

    assert end(days) >= until
    assert bounds.allow(days)
    assert not bounds.allow(days - 1) or days == 1 or end(days - 1) < until


def test_at_midnight_a_day_is_enough() -> None:
    """The end of a day is the beginning of the next."""
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    midnight = datetime(2026, 3, 12, tzinfo=UTC)

    assert days_until(SHIPPED, midnight, noon) == 3
    assert days_until(SHIPPED, midnight + SECOND, noon) == 4
    assert days_until(SHIPPED, midnight, noon, date(2026, 3, 1)) == 12


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        (NOW + timedelta(days=1), NOW + timedelta(days=1)),
        (NOW + timedelta(days=40), datetime(2026, 3, 20, tzinfo=UTC)),
        (datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC)),
        (None, datetime(2026, 3, 20, tzinfo=UTC)),
    ],
)
def test_the_earlier_end_counts(until: datetime | None, ends: datetime) -> None:
    """That of the writer, or of the id's day; the deadline is that of the day."""
    by_day = term_now(SHIPPED, {}, minted(date(2026, 3, 20)))
    term = term_now(SHIPPED, {}, minted(date(2026, 3, 20)), None, until)

    assert term.readable_until == ends
    assert term == (
        by_day
        if ends == by_day.readable_until
        else replace(by_day, readable_until=ends, reason=RetentionReason.RECORD_RETENTION)
    )


def test_what_has_no_day_may_end_too() -> None:
    """No writer says so today."""
    assert term_now(SHIPPED, {}, minted(None, FILE), None, NOW).readable_until == NOW


LAST = date(2026, 3, 20)


@pytest.mark.parametrize(
    ("record_id", "until"),
    [
        (minted(LAST), None),
        (minted(LAST), NOW + SECOND),
        (minted(LAST), datetime(2026, 3, 20, tzinfo=UTC)),
        (minted(LAST, FILE), NOW + timedelta(days=3)),
        (minted(None, FILE), None),
        (minted(LAST, EVENT), None),
    ],
)
def test_what_is_accepted(record_id: RecordId, until: datetime | None) -> None:
    """A moment that is ahead, up to the day of the id."""
    check_until(SHIPPED, record_id, until, NOW)


@pytest.mark.parametrize(
    ("record_id", "until", "why"),
    [
        (minted(LAST), NOW, "is over"),
        (minted(LAST), NOW - SECOND, "is over"),
        (minted(LAST), datetime(2026, 3, 20, tzinfo=UTC) + SECOND, "another day"),
        (minted(None, FILE), NOW + SECOND, "another day"),
        (minted(LAST, EVENT), NOW + SECOND, "others rely on it"),
    ],
)
def test_what_is_refused(record_id: RecordId, until: datetime, why: str) -> None:
    """What is over, what lasts longer than the id, and events."""
    with pytest.raises(InvalidRequest, match=why):
        check_until(SHIPPED, record_id, until, NOW)
