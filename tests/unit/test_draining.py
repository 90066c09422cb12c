"""What emptying a backend takes."""

from hypothesis import given
from hypothesis import strategies as st

from storage.policy import effort

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
