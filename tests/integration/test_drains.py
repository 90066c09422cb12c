"""Draining a processor: its copies are seen to be gone before anything is signed."""

from datetime import date

import pytest

from storage.draining import drain, plan
from storage.errors import Unavailable
from storage.evidence.drains import verify_drain
from storage.logs import make_logger
from storage.testing import Domicile
from tests.support.actions import put_prompt, work
from tests.support.inspect.stored import HOME, home
from tests.support.processors.copies import MODERATION

pytestmark = pytest.mark.one_region


def drained(domicile: Domicile) -> str:
    """Drain the processor."""
    served = domicile.homes.served(HOME)
    return drain(served.region, served.keys, MODERATION, make_logger(), tell=lambda _: None)


def test_a_processor_with_a_copy_is_not_drained(domicile: Domicile) -> None:
    """Its agreement has no end, so nobody asks for the copy. Then it ends, and the copy goes."""
    domicile.tenant().hand_over(put_prompt(domicile, "u"), MODERATION)
    work(domicile)
    region = home(domicile)
    assert plan(region, MODERATION).copies == 1
    with pytest.raises(Unavailable, match="still has 1 copy"):
        drained(domicile)

    companies = region.topology.sub_processors
    ending = {"until": date(2026, 3, 2)}
    companies[MODERATION] = companies[MODERATION].model_copy(update=ending)
    work(domicile)
    token = drained(domicile)

    signed = verify_drain(token, region.signing.public_key())
    assert (signed.sub_processor, signed.backends) == (MODERATION, ())
    assert drained(domicile) == token
