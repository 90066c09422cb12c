"""Copies at processors of held records, and while clocks disagree."""

from datetime import timedelta

import pytest

from storage.evidence.receipts import verify
from storage.model import ErasureState
from storage.testing import Domicile
from tests.support.actions import erase, is_complete, put_prompt, work
from tests.support.holds import open_held, place_hold, release_holds
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

MODERATION = "klarblick"


def test_a_hold_keeps_what_is_here_and_no_copy(domicile: Domicile) -> None:
    """The copy is deleted though a hold defers the erasure. The receipt names both."""
    tenant = domicile.tenant()
    put = put_prompt(domicile, "u")
    made = tenant.hand_over(put, MODERATION)
    placed = place_hold(domicile)

    erasure = erase(tenant)
    work(domicile, minutes=1)
    held = domicile.processors[MODERATION].copies
    state = domicile.store.erasure(erasure.id).state

    assert made.copy not in held
    assert state is ErasureState.DEFERRED
    assert open_held(domicile, placed, put) == b"mine"

    release_holds(domicile, placed)
    work(domicile, minutes=1)
    work(domicile, hours=73)
    work(domicile, hours=1)

    assert is_complete(domicile, erasure)
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    receipt = verify(token, home(domicile).signing.public_key())
    assert [word.copy_id for word in receipt.processors] == [made.copy]
    assert [deferred.hold for deferred in receipt.deferred] == [placed.hold.id]


def test_no_processor_is_asked_while_clocks_disagree(domicile: Domicile) -> None:
    """A processor that was asked too early cannot give the copy back."""
    tenant = domicile.tenant()
    made = tenant.hand_over(put_prompt(domicile, "u"), MODERATION)
    processor = domicile.processors[MODERATION]

    domicile.clock.machine_ahead = timedelta(hours=1)
    work(domicile, hours=24 * 14)
    before = made.copy in processor.deletion_requests
    domicile.clock.machine_ahead = timedelta()
    work(domicile, minutes=1)

    assert (before, made.copy in processor.deletion_requests) == (False, True)
