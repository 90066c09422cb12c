"""Many who ask at once cost one answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.testing import Gate
from storage.watching.remembered import Remembered


def test_a_storm_asks_once() -> None:
    """Those who come while it is being fetched get the same answer."""
    gate, asked = Gate(), list[int]()

    def ask() -> int:
        asked.append(1)
        gate.wait()
        return 7

    answer = Remembered(ask, seconds=10, clock=lambda: 0.0)
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(answer.get) for _ in range(20)]
        assert gate.reached.wait(60)
        gate.open.set()
        assert {one.result() for one in waiting} == {7}
    assert asked == [1]


def test_it_is_asked_again_when_it_is_too_old() -> None:
    """Not before. It counts from when the answer came."""
    now, answers = [0.0], iter(range(9))

    def ask() -> int:
        now[0] += 3
        return next(answers)

    answer = Remembered(ask, seconds=10, clock=lambda: now[0])
    assert answer.get() == 0
    now[0] = 12.9
    assert answer.get() == 0
    now[0] = 13.0
    assert answer.get() == 1


def test_a_failure_is_not_remembered() -> None:
    """The next one asks anew."""
    answers = iter([0, 1])

    def ask() -> int:
        return 1 // next(answers)

    answer = Remembered(ask, seconds=10, clock=lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        answer.get()
    assert answer.get() == 1
