"""What a scrub finds under a key of a backend, and what may be done about it."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model import ReplicaState
from storage.policy import (
    ORPHAN_GRACE,
    Expected,
    Finding,
    judge,
    may_destroy,
    next_scrub,
    reassign,
    sampled,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = Expected(ReplicaState.STORED, stored=True, size=7, wanted=True)
UNWANTED = Expected(ReplicaState.STORED, stored=True, size=7, wanted=False)
UNSTORED = Expected(ReplicaState.STORED, stored=False, size=7, wanted=True)
GONE = Expected(ReplicaState.GONE, stored=True, size=7, wanted=True)


class Seen(TypedDict):
    """The other arguments of ``judge``."""

    readable: int | None
    others: int
    elsewhere: bool
    lawful: bool


def _seen(
    readable: int | None, others: int, *, elsewhere: bool = False, lawful: bool = True
) -> Seen:
    return Seen(readable=readable, others=others, elsewhere=elsewhere, lawful=lawful)


@pytest.mark.parametrize(
    ("expected", "seen", "found"),
    [
        (GOOD, _seen(7, 0), None),
        (GOOD, _seen(None, 0), Finding.MISSING),
        (GOOD, _seen(None, 2), Finding.MISSING),  # a marker hides it
        (GOOD, _seen(6, 0), Finding.WRONG_SIZE),
        (GOOD, _seen(7, 1), Finding.LEFTOVER),
        (GOOD, _seen(7, 0, lawful=False), Finding.WRONG_BACKEND),
        (UNWANTED, _seen(7, 0), Finding.WRONG_BACKEND),
        (UNSTORED, _seen(None, 0), None),
        (UNSTORED, _seen(7, 1), None),
        (GONE, _seen(None, 0), None),
        (GONE, _seen(7, 0), Finding.CAME_BACK),
        (GONE, _seen(None, 1), Finding.CAME_BACK),
        (None, _seen(None, 0), None),
        (None, _seen(7, 0), Finding.ORPHAN),
        (None, _seen(None, 1), Finding.ORPHAN),
        (None, _seen(7, 0, elsewhere=True), Finding.WRONG_BACKEND),
    ],
)
def test_each_thing_that_can_be_wrong(
    expected: Expected | None, seen: Seen, found: Finding | None
) -> None:
    """The finding follows from the row and from what the backend shows."""
    assert judge(expected, **seen) is found


@pytest.mark.parametrize("state", [ReplicaState.WRITING, ReplicaState.PURGING])
def test_a_replica_that_is_being_written_or_purged_is_left_alone(state: ReplicaState) -> None:
    """Whatever the backend shows, and whether it is lawful or not."""
    for stored, readable, others, lawful in product([True, False], [None, 3, 7], [0, 1], [0, 1]):
        expected = Expected(state, stored, 7, wanted=True)
        seen = judge(
            expected, readable=readable, others=others, elsewhere=False, lawful=bool(lawful)
        )
        assert seen is None


@given(st.timedeltas(timedelta(), timedelta(days=30)))
def test_an_orphan_goes_when_its_grace_period_is_over(age: timedelta) -> None:
    """To the microsecond, and not before."""
    destruction = may_destroy(what="orphan", state="unknown", held=False, now=NOW, since=NOW - age)

    assert destruction.allowed == (age >= ORPHAN_GRACE)
    assert destruction.reason == ("allowed" if destruction.allowed else "in_grace")


@pytest.mark.parametrize("state", list(ReplicaState))
def test_bytes_with_a_row_are_not_an_orphan(state: ReplicaState) -> None:
    """However long ago they were seen without a row: they were announced meanwhile."""
    old = NOW - 10 * ORPHAN_GRACE
    destruction = may_destroy(what="orphan", state=state, held=False, now=NOW, since=old)

    assert (destruction.allowed, destruction.reason) == (False, "announced")


def test_an_orphan_that_was_not_seen_before_stays() -> None:
    """So does a held one, whatever its age."""
    old = NOW - 10 * ORPHAN_GRACE

    assert not may_destroy(what="orphan", state="unknown", held=False, now=NOW).allowed
    assert not may_destroy(what="orphan", state="unknown", held=True, now=NOW, since=old).allowed


def test_the_grace_period_covers_a_weekend_and_any_announced_write() -> None:
    """Three days: that exceeds a write's deadline by more than the day that it may take to land."""
    assert timedelta(days=3) == ORPHAN_GRACE


@pytest.mark.parametrize(
    ("backends", "lawful", "expected"),
    [
        (("a", "b"), ("a", "b", "c"), ("a", "b")),
        (("a", "b"), ("b", "c"), ("b", "c")),
        (("a", "b"), ("b",), ("b",)),
        (("a", "b"), ("c", "d", "e"), ("c", "d")),
        (("a",), (), ()),
    ],
)
def test_an_object_is_reassigned_to_as_many_lawful_backends(
    backends: tuple[str, ...], lawful: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Lawful backends stay; others are replaced in order of preference."""
    assert reassign(backends, lawful) == expected


@given(st.binary(min_size=16, max_size=16))
def test_a_sample_has_about_its_share(seed: bytes) -> None:
    """A share of 0 has no key, 1 has every key, and a larger share includes a smaller one."""
    keys = [f"pack/2026-03-01/{number}" for number in range(1000)]

    def sample(share: float) -> set[str]:
        return {key for key in keys if sampled(seed, key, share)}

    assert sample(0) == set()
    assert sample(1) == set(keys)
    assert 120 < len(sample(0.2)) < 290
    assert sample(0.2) <= sample(0.5)


@pytest.mark.parametrize(("unfinished", "days"), [(0, 7), (1, 1), (9, 1)])
def test_a_scrub_comes_every_week_or_tomorrow_if_something_is_unfinished(
    unfinished: int, days: int
) -> None:
    """What waits for its grace period, or for another replica, is not left for a week."""
    assert next_scrub(NOW, unfinished=unfinished) == NOW + timedelta(days=days)
