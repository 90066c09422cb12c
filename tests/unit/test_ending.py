"""When a tenant or a region may end."""

import pytest

from storage.errors import RegionNotEmpty, RegionNotRoutable, TenantNotEmpty
from storage.policy import (
    EndReason,
    Stage,
    TenantEnd,
    check_takes_tenants,
    declared_stage,
    may_empty,
    may_undeclare,
)

LEFT = {"records": 2, "holds_in_force": 1}


def test_a_tenant_goes_when_nothing_is_left() -> None:
    """The error counts what is."""
    TenantEnd("acme", {}).demand()

    with pytest.raises(TenantNotEmpty, match="still has 2 records, 1 holds in force") as caught:
        TenantEnd("acme", LEFT).demand()
    assert caught.value.reasons == (EndReason.NOT_EMPTY,)


@pytest.mark.parametrize("stage", [None, *Stage])
@pytest.mark.parametrize("left", [{}, LEFT])
def test_the_keys_of_a_region_go_last(stage: Stage | None, left: dict[str, int]) -> None:
    """While it retires, so that no tenant comes, and when nothing else is there."""
    end = may_empty("eu", stage, left)

    assert end.allowed == (stage is Stage.RETIRING and not left)
    assert (end.reason is EndReason.NOT_RETIRING) == (stage is not Stage.RETIRING)


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Stage.PROPOSED, EndReason.ALLOWED),
        (Stage.PROVISIONED, EndReason.ALLOWED),
        (Stage.ATTESTED, EndReason.ALLOWED),
        (Stage.RETIRED, EndReason.ALLOWED),
        (Stage.ROUTABLE, EndReason.NOT_RETIRED),
        (Stage.RETIRING, EndReason.NOT_RETIRED),
        (None, EndReason.NOT_RETIRED),
    ],
)
def test_a_revision_ends_what_was_retired_or_never_used(
    stage: Stage | None, reason: EndReason
) -> None:
    """And names the command that retires."""
    assert may_undeclare("eu", stage, {}).reason is reason
    with pytest.raises(RegionNotEmpty, match="it has 2 records, 1 holds") as caught:
        may_undeclare("eu", stage, LEFT).demand()
    assert caught.value.advice == "Run: domicile region retire eu"


@pytest.mark.parametrize(
    ("now", "used", "then"),
    [
        (None, False, Stage.PROPOSED),
        (None, True, Stage.ROUTABLE),
        (Stage.RETIRING, True, Stage.RETIRING),
        (Stage.ROUTABLE, False, Stage.ROUTABLE),
        (Stage.RETIRED, True, Stage.PROPOSED),
    ],
)
def test_a_declaration_opens_nothing_that_ends(
    now: Stage | None, *, used: bool, then: Stage
) -> None:
    """A region that retires goes on to do so, and one that was retired is provisioned again."""
    assert declared_stage(now, used=used) is then


@pytest.mark.parametrize("stage", [None, *Stage])
def test_which_regions_take_a_new_tenant(stage: Stage | None) -> None:
    """Those that are in use, and stay so."""
    if stage in (None, Stage.ROUTABLE):
        check_takes_tenants("eu", stage)
        return
    with pytest.raises(RegionNotRoutable):
        check_takes_tenants("eu", stage)
