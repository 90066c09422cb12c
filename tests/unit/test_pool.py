"""The threads of a process: they run the calls, and closing waits for them a limited time."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from threading import Barrier, Event
from time import monotonic

import pytest

from storage.errors import InvalidRequest, Unavailable
from storage.pool import Pool

SOON = 20.0  # seconds


@contextmanager
def hanging(pool: Pool) -> Iterator[Event]:
    """Let one thread of the pool hang until the test is over."""
    begun, over = Event(), Event()

    def hang() -> None:
        begun.set()
        over.wait(SOON)

    pool.submit(hang)
    assert begun.wait(SOON)
    try:
        yield over
    finally:
        over.set()


def test_all_threads_run_at_once() -> None:
    """As many calls as there are threads meet each other."""
    barrier = Barrier(4, timeout=SOON)
    with Pool(4, "meet") as pool:
        met = [pool.submit(barrier.wait) for _ in range(4)]
        assert sorted(call.result(SOON) for call in met) == [0, 1, 2, 3]


def test_more_calls_than_threads() -> None:
    """They run in turn; results and errors come back, and a free thread is used again."""
    with Pool(2, "turns") as pool:
        assert list(pool.map(lambda n: n * n, range(100))) == [n * n for n in range(100)]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 / 0).result(SOON)
        assert pool.submit(lambda: "after an error").result(SOON) == "after an error"


def test_leaving_finishes_what_was_submitted() -> None:
    """Also what still waited for a thread. Then nothing is taken."""
    with Pool(1, "all") as pool:
        calls = [pool.submit(lambda n=n: n) for n in range(50)]  # type: ignore[misc]
    assert [call.result(0) for call in calls] == list(range(50))

    with pytest.raises(InvalidRequest, match="The store is closed"):
        pool.submit(print)


def test_a_call_that_hangs_is_left_alone() -> None:
    """It and what waits behind it get an error, whatever the call does later."""
    pool = Pool(1, "hung")
    with hanging(pool) as over:
        (running,) = [pool.submit(lambda: None)]
        waiting = pool.submit(print)
        began = monotonic()
        pool.close(monotonic() + 0.05)
        assert monotonic() - began < SOON / 2
        for call in (running, waiting):
            with pytest.raises(Unavailable, match="closed"):
                call.result(SOON)
        over.set()


def test_a_call_that_is_late_does_not_change_its_answer() -> None:
    """The caller was told already."""
    pool, gate, begun = Pool(1, "late"), Event(), Event()

    def late() -> str:
        begun.set()
        gate.wait(SOON)
        return "late"

    call = pool.submit(late)
    assert begun.wait(SOON)
    pool.close(monotonic())
    gate.set()
    wait([call], SOON)
    with pytest.raises(Unavailable, match="may still take effect"):
        call.result(SOON)


HUNG = """
from threading import Event
from storage.pool import Pool

pool, begun = Pool(1, "hung"), Event()
pool.submit(lambda: (begun.set(), Event().wait()))
begun.wait()
print("over")
"""


def test_a_thread_that_hangs_keeps_no_process() -> None:
    """No more than a disk that hangs may."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HUNG],
        capture_output=True,
        text=True,
        timeout=SOON,
        check=True,
    )

    assert (found.stdout, found.stderr) == ("over\n", "")
