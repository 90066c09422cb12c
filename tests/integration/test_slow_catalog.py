"""A catalog that takes longer than a permit lives."""

from collections.abc import Callable, Iterator

import pytest

from storage.errors import Expired, Unavailable
from storage.model import Purpose
from storage.policy import PERMIT_LIFE
from storage.testing import Domicile
from tests.support.actions import get, put_prompt
from tests.support.processors.copies import MODERATION
from tests.support.retention import keep

pytestmark = pytest.mark.one_region


@pytest.fixture
def slow(domicile: Domicile) -> Iterator[Callable[[], None]]:
    """Have the catalog take as long as a permit lives, once, after a record was permitted."""
    domicile.tenant()
    with domicile.catalog_faults() as faults:
        yield lambda: faults.at_commit(
            lambda statements: bool(statements) and "readable_row" in statements[-1],
            before=lambda _: domicile.clock.advance(PERMIT_LIFE),
        )


def test_a_read_is_decided_again(domicile: Domicile, slow: Callable[[], None]) -> None:
    """It is not refused, as if it had never been permitted."""
    tenant, record = domicile.tenant(), put_prompt(domicile, "u")
    slow()
    assert get(tenant, record) == b"mine"
    slow()
    assert tenant.hand_over(record, MODERATION).processor == MODERATION


def test_what_ended_meanwhile_is_said(domicile: Domicile, slow: Callable[[], None]) -> None:
    """As it would be to somebody who asks now."""
    tenant = domicile.tenant()
    keep(domicile, tenant.id, prompt=2)
    record = put_prompt(domicile, "u")
    ends = tenant.explain_purpose(record, purpose=Purpose.SERVE).readable_until
    assert ends is not None
    domicile.clock.advance(ends - domicile.clock.now() - PERMIT_LIFE / 2)
    slow()
    with pytest.raises(Expired):
        tenant.get(record, purpose=Purpose.SERVE)


def test_no_permit_is_used_after_its_end(domicile: Domicile, slow: Callable[[], None]) -> None:
    """If the catalog is as slow again, the caller may try again."""
    tenant, record = domicile.tenant(), put_prompt(domicile, "u")
    slow()
    slow()
    with pytest.raises(Unavailable, match="took too long"):
        tenant.get(record, purpose=Purpose.SERVE)
    assert get(tenant, record) == b"mine"
