"""Conditions that change during a write are checked again before its commit."""

from collections.abc import Callable

import pytest

from storage.errors import Abandoned, Expired, StaleId, TermsChanged
from storage.model import DataClass
from storage.testing import Call, Domicile
from tests.support.actions import duty, work
from tests.support.holds import SOON


def meanwhile(domicile: Domicile, happens: Callable[[], object]) -> None:
    """Run ``what`` once, while a backend takes the next bytes."""
    todo = [happens]

    def once(_: str) -> None:
        if todo:
            todo.pop()()

    domicile.backends["eu-a"].fail_before["put"] = once


def packs(domicile: Domicile) -> list[str]:
    """Return the packs that are on any backend."""
    return [trace.key for b in domicile.backends.values() for trace in b.inner.scan("pack/")]


def test_an_id_that_grows_too_old_while_it_is_written(domicile: Domicile) -> None:
    """The fence that must stop it may be pruned by then, so the write is refused."""
    t = domicile.tenant()
    first = t.new_id(DataClass.PROMPT)
    t.put(DataClass.PROMPT, b"the day's key", subject="u")
    domicile.pass_time(hours=23)
    meanwhile(domicile, lambda: domicile.pass_time(hours=2))

    with pytest.raises(StaleId):
        t.put(DataClass.PROMPT, b"mine", id=first, subject="u")

    assert len(t.list()) == 1
    work(domicile, hours=1)
    assert len(packs(domicile)) == 2


@pytest.mark.parametrize("days", [0, 7])
def test_what_was_agreed_before_does_not_hold_for_a_write_under_way(
    domicile: Domicile, days: int
) -> None:
    """The tenant's terms became stricter: nothing is stored, and a retry uses the new terms.

    With a retention of 0, what was stored before goes too.
    """
    t = domicile.tenant()
    before = t.put(DataClass.PROMPT, b"before", subject="u")
    meanwhile(domicile, lambda: domicile.tenant(retention={DataClass.PROMPT: days}))

    with pytest.raises(TermsChanged) as caught:
        t.put(DataClass.PROMPT, b"mine", subject="u")
    again = t.put(DataClass.PROMPT, b"mine", subject="u")

    assert caught.value.retryable
    assert again.stored == bool(days)
    assert before.deadline is not None
    assert again.deadline is None or (before.deadline - again.deadline).days == 30 - days
    work(domicile, hours=1)
    assert len(packs(domicile)) == (4 if days else 0)


@pytest.mark.parametrize("expired", [False, True])
def test_the_expiry_day_of_a_write_under_way_begins(domicile: Domicile, *, expired: bool) -> None:
    """Nothing is stored from midnight on, whether a worker has expired the day or not."""
    t = domicile.tenant(retention=SOON)

    def late(call: Call) -> object:
        done = call.proceed()
        domicile.pass_time(hours=12)
        if expired:
            work(domicile, minutes=1)
        return done

    t.put(DataClass.PROMPT, b"the day's key", subject="u")
    domicile.backends["eu-a"].inject(late, "put", prefix="pack/", times=1)

    with pytest.raises(Expired):
        t.put(DataClass.PROMPT, b"mine", subject="u")

    work(domicile, hours=1)
    assert packs(domicile) == []


def test_a_write_that_takes_too_long_is_abandoned(domicile: Domicile) -> None:
    """A worker purges its bytes, so the caller hears that nothing is stored, and why."""
    t = domicile.tenant()

    def reap() -> None:
        domicile.pass_time(minutes=1)
        duty(domicile, "reap")

    t.put(DataClass.PROMPT, b"the day's key", subject="u")
    meanwhile(domicile, reap)

    with pytest.raises(Abandoned):
        t.put(DataClass.PROMPT, b"mine", subject="u")

    assert len(t.list()) == 1
    work(domicile, hours=1)
    assert len(packs(domicile)) == 2
