"""A few of the stories of ``make simulate``."""

import threading
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from storage.client.homes import Homes
from tests.simulation.run import Stage
from tests.simulation.story import Disturb, Do, Step, Story, story_of
from tests.simulation.told import STORIES, told
from tests.support.faults.steps import Steps
from tests.support.stories.operations import Get, Work

SEEDS = (5, 6)  # and 4, below


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
@pytest.mark.parametrize("name", STORIES)
def test_a_told_story_ends_well(stage: Stage, name: str) -> None:
    """The same of stories about what a seed seldom plays."""
    outcome = stage.run(told(name))

    if outcome.failure is not None:
        raise outcome.failure.error


@pytest.mark.timeout(0)
def test_a_story_is_the_same_every_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run makes the same keys on the same backends at the same times, however slow it is.

    The second is on a machine on which six seconds pass between any two looks at the time.
    """
    first = stage.run(story_of(4))
    hurried = partial(next, count(0.0, 6.0))
    for name in ("bootstrap.steady", "checks.steady"):
        monkeypatch.setattr(f"storage.{name}", hurried)
    defaults = Homes.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clock", hurried)
    again = stage.run(story_of(4))

    assert first.failure is None
    assert first.records > 0
    assert first.digest == again.digest
    assert story_of(5) == story_of(5)
    assert isinstance(story_of(6), Story)
    assert story_of(6).steps != story_of(5).steps


@pytest.mark.timeout(0)
def test_all_steps_are_in_one_thread(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a process that reads the postures of several backends, none of which responds."""
    threads, step = set(), Steps.step

    def noted(self: Steps) -> None:
        threads.add(threading.get_ident())
        step(self)

    monkeypatch.setattr(Steps, "step", noted)
    first = story_of(5).steps[0]
    assert isinstance(first, Do)
    put = Do(first.op, 0, ((1, Work(None, 1)), (2, Get(0, 0, "get"))))
    steps: tuple[Step, ...] = (
        *(Disturb(name, "down", 0) for name in ("eu-a", "eu-b")),
        Disturb("", None, 0),
        put,
    )

    outcome = stage.run(Story(5, changed=False, alone=True, steps=steps))

    assert outcome.failure is None
    assert threads == {threading.get_ident()}
