"""Conditions that change during a write are checked again before its commit."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from storage.errors import Abandoned, AgreementMissing, Expired, StaleId, TermsChanged
from storage.model import DataClass
from storage.testing import Call, Domicile
from tests.support.actions import duty, work
from tests.support.holds import SOON
from tests.support.topology_files import COMPANIES, SHIPPED, edit, use_topology


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


def before_midnight(domicile: Domicile) -> date:
    """Go on until 30 seconds before midnight; return the next day."""
    now = domicile.clock.now()
    midnight = datetime.combine(now.date(), time(), UTC) + timedelta(days=1)
    domicile.clock.advance(midnight - now - timedelta(seconds=30))
    return midnight.date()


def over_midnight(domicile: Domicile, pieces: int, asked: list[int]) -> Iterator[bytes]:
    """Yield the pieces of a file. Midnight comes after the first. ``asked``: those asked for."""
    for number in range(pieces):
        asked.append(number)
        yield bytes([number + 1]) * 3_000_000
        if not number:
            domicile.pass_time(seconds=60)


@pytest.mark.parametrize("pieces", [1, 4])
def test_a_file_is_not_stored_once_the_agreement_has_ended(domicile: Domicile, pieces: int) -> None:
    """Also if all of it was sent by then. No more of it is read, and no byte is left."""
    t = domicile.tenant()
    (dpa,) = domicile.store.admin.agreements.list(t.id)
    domicile.store.admin.agreements.end(dpa.id, until=before_midnight(domicile))
    asked: list[int] = []
    with pytest.raises(AgreementMissing, match="has ended"):
        t.put_file(over_midnight(domicile, pieces, asked))
    assert len(asked) <= 2
    work(domicile, hours=1)
    assert not t.list()
    assert not packs(domicile)


def test_a_prompt_is_not_stored_once_the_agreement_has_ended(domicile: Domicile) -> None:
    """Midnight comes while it is sent."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day's key")
    (dpa,) = domicile.store.admin.agreements.list(t.id)
    domicile.store.admin.agreements.end(dpa.id, until=before_midnight(domicile))
    meanwhile(domicile, lambda: domicile.pass_time(seconds=60))
    with pytest.raises(AgreementMissing):
        t.put(DataClass.PROMPT, b"mine")
    assert len(t.list()) == 1


def test_a_file_does_not_go_on_to_a_company_whose_agreement_has_ended(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Its bytes are purged from both, and it is read no further."""
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    since = 'products = ["API", "fine-tuning"]\nsince = 2025-01-01\n'
    edit(tmp_path / COMPANIES, since, f"{since}until = {before_midnight(domicile)}\n")
    use_topology(domicile, tmp_path)
    t = domicile.tenant()
    asked: list[int] = []
    with pytest.raises(TermsChanged):
        t.put_file(over_midnight(domicile, 4, asked))
    assert len(asked) <= 2
    work(domicile, hours=1)
    assert not packs(domicile)


def test_a_file_goes_on_over_midnight(domicile: Domicile) -> None:
    """If its agreements do."""
    t = domicile.tenant()
    before_midnight(domicile)
    put = t.put_file(over_midnight(domicile, 4, []))
    assert put.stored
    assert [one.id for one in t.list()] == [put.id]
