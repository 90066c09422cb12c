"""What emptying a backend takes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.policy import effort, is_later, longest

COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, st.integers(1, 5))
def test_each_replica_is_read_written_listed_and_deleted(
    replicas: int, size: int, homes: int
) -> None:
    """It is read once to copy it and whole at each home, and listed before and after."""
    found = effort(replicas, size, homes=homes, rate=None)

    assert found.gets == replicas * (homes + 1)
    assert (found.puts, found.deletes, found.lists) == (replicas, replicas, replicas * 2)
    assert found.bytes == size * (homes + 2)
    assert found.seconds is None


def test_the_rate_gives_the_time() -> None:
    """Replicas a second."""
    assert effort(300, 0, homes=2, rate=2.5).seconds == 120


@given(st.datetimes(), st.lists(st.datetimes()))
def test_evidence_counts_if_it_is_later_than_all_that_it_is_about(
    at: datetime, given: list[datetime]
) -> None:
    """At the same moment nobody knows what came first."""
    assert is_later(at, given) == (not given or at > max(given))
    assert not is_later(at, [*given, at])


CHRISTMAS = datetime(2026, 12, 24, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locks", "complete", "text"),
    [
        ([(CHRISTMAS, False), (None, False)], True, "locked until 2026-12-24"),
        ([(CHRISTMAS, False), (CHRISTMAS.replace(day=1), False)], True, "locked until 2026-12-24"),
        ([(CHRISTMAS, False)], False, "locked until 2026-12-24 or later"),
        ([(CHRISTMAS, False), (None, True)], True, "legal hold, no end"),
        ([(None, True)], False, "legal hold, no end"),
    ],
)
def test_what_is_locked_says_until_when(
    locks: list[tuple[datetime | None, bool]], text: str, *, complete: bool
) -> None:
    """The longest period that was seen; a legal hold has no end."""
    found = longest(locks, complete=complete)

    assert found is not None
    assert found.text == text


def test_what_is_not_locked_says_nothing() -> None:
    """A deletion may be refused for another reason."""
    assert longest([(None, False)], complete=True) is None
    assert longest([], complete=False) is None
