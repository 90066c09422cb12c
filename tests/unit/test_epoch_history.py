"""A topology leaves the epochs that have begun as a catalog has seen them."""

from collections.abc import Sequence
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from storage.policy import EpochReason, SeenEpoch, epoch_faults, stated_epochs

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)
PAST = SeenEpoch(TODAY - 100 * DAY, "opted_in", {"prompt": 30})

dates = st.integers(-3, 3).map(lambda n: TODAY + n * DAY)
stated = st.builds(
    SeenEpoch,
    dates,
    st.sampled_from([None, "opted_in", "unless_opted_out"]),
    st.sampled_from([{}, {"prompt": 30}, {"prompt": 7}]),
)
histories = st.lists(stated, max_size=4, unique_by=lambda one: one.begins)


def reasons(
    seen: Sequence[SeenEpoch] | None, new: Sequence[SeenEpoch], today: date = TODAY
) -> list[tuple[date, EpochReason]]:
    """Return what is refused."""
    return [(fault.begins, fault.reason) for fault in epoch_faults(seen, new, today)]


@given(new=histories)
def test_the_first_topology_of_a_catalog_may_state_the_past(new: list[SeenEpoch]) -> None:
    """Nobody is there yet who saw anything else."""
    assert reasons(None, new) == []


@given(seen=histories, new=histories)
def test_the_past_stays_and_the_future_is_free(seen: list[SeenEpoch], new: list[SeenEpoch]) -> None:
    """Refused is each epoch that has begun and is not what was seen; nothing else."""
    begun = [{one.begins: one for one in some if one.begins <= TODAY} for some in (seen, new)]
    differ = {day for day in begun[0] | begun[1] if begun[0].get(day) != begun[1].get(day)}

    assert {day for day, _ in reasons(seen, new)} == differ
    assert reasons(seen, seen) == []


def test_an_epoch_is_named_with_what_would_become_of_it() -> None:
    """Added, changed or taken away. Today has begun; tomorrow has not."""
    today = SeenEpoch(TODAY, "unless_opted_out", {})
    tomorrow = SeenEpoch(TODAY + DAY, "unless_opted_out", {})
    lower = SeenEpoch(PAST.begins, PAST.train, {"prompt": 7})

    assert reasons([PAST], [PAST, today]) == [(TODAY, EpochReason.ADDED)]
    assert reasons([PAST], [PAST, tomorrow]) == []
    assert reasons([PAST, tomorrow], [PAST]) == []
    assert reasons([PAST], [lower]) == [(PAST.begins, EpochReason.CHANGED)]
    assert reasons([PAST], []) == [(PAST.begins, EpochReason.TAKEN_AWAY)]
    assert reasons([], [PAST]) == [(PAST.begins, EpochReason.ADDED)]


def test_the_error_says_what_to_do() -> None:
    """Which epoch, which catalog, and from when a new one may begin."""
    (fault,) = epoch_faults([PAST], [], TODAY)
    error = fault.error("eu-central-1", TODAY)

    assert "The epoch from 2025-11-21 would be taken away" in error.message
    assert "after today, 2026-03-01, may still change in eu-central-1" in error.message
    assert "begin tomorrow or later" in error.advice


def test_all_that_an_epoch_states_is_noted() -> None:
    """Rule and ceilings: a change of either is a change."""
    first, second = stated_epochs(load_topology())

    assert (first.train, second.train) == ("unless_opted_out", "opted_in")
    assert second == SeenEpoch(date(2023, 3, 1), "opted_in", {"prompt": 30, "completion": 30})
