"""What emptying a backend takes."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from storage.policy import effort, is_later

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
