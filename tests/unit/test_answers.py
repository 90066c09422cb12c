"""The answers for which one caller waits in turn."""

import os
import threading
from concurrent.futures import InvalidStateError, ThreadPoolExecutor

import pytest

from storage.errors import Busy, InvalidRequest
from storage.packs.answers import InTurn, Waiter
from tests.support.results import RESULT


def test_an_answer_is_given_once() -> None:
    """The first one stands."""
    answer, error = InTurn(Waiter()), Busy()
    assert not answer.done()
    answer.set_exception(error)
    with pytest.raises(InvalidStateError):
        answer.set_result(RESULT)
    with pytest.raises(InvalidStateError):
        answer.set_exception(Busy())
    assert answer.done()
    assert answer.exception() is error
    with pytest.raises(Busy):
        answer.result()


def test_each_answer_is_received_by_a_caller_who_waits() -> None:
    """Whichever comes first, and whether it was there before he asked."""
    waiter = Waiter()
    for _ in range(50):
        answers = [InTurn(waiter) for _ in range(20)]
        with ThreadPoolExecutor(4) as pool:
            for answer in reversed(answers):
                pool.submit(answer.set_result, RESULT)
            assert [answer.result() for answer in answers] == [RESULT] * 20
            assert [answer.exception() for answer in answers] == [None] * 20


def test_who_asked_is_told() -> None:
    """Before and after, once the answer is known."""
    waiter = Waiter()
    first, second = InTurn(waiter), InTurn(waiter)
    told = threading.Semaphore(0)
    first.when_done(told.release)
    assert not told.acquire(blocking=False)
    second.set_result(RESULT)
    assert not told.acquire(blocking=False)
    first.set_result(RESULT)
    assert told.acquire(blocking=False)
    second.when_done(told.release)
    assert told.acquire(blocking=False)


def test_a_forked_process_waits_for_nothing() -> None:
    """No thread there would ever answer."""
    waiter = Waiter()
    waiter.process = os.getpid() + 1
    with pytest.raises(InvalidRequest):
        InTurn(waiter).result()
