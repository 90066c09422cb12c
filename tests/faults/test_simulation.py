"""A few of the stories of ``make simulate``."""

from collections.abc import Iterator

import pytest

from tests.simulation.run import Stage
from tests.simulation.story import Story, story_of

SEEDS = range(1, 13)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stage for all stories."""
    with Stage() as made:
        yield made


@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_ends_well(stage: Stage, seed: int) -> None:
    """The invariants hold after every step, and in the end all work is done."""
    outcome = stage.run(story_of(seed))

    if outcome.failure is not None:
        raise outcome.failure.error


@pytest.mark.timeout(0)
def test_a_story_is_the_same_every_time(stage: Stage) -> None:
    """A second run makes the same keys on the same backends at the same times."""
    first, again = stage.run(story_of(5)), stage.run(story_of(5))

    assert first.records > 0
    assert first.digest == again.digest
    assert story_of(5) == story_of(5)
    assert isinstance(story_of(6), Story)
    assert story_of(6).steps != story_of(5).steps
