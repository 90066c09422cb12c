"""Which regions services may use, by stage."""

import pytest

from storage.errors import InvalidRequest, RegionNotRoutable
from storage.policy import Stage, advances, check_open, check_takes_tenants, takes_tenants


@pytest.mark.parametrize("stage", [None, Stage.ROUTABLE, Stage.RETIRING])
def test_a_routable_region_opens(stage: Stage | None) -> None:
    """Also one that no revision declares, and one that takes no new tenant."""
    check_open("eu-1", stage)


@pytest.mark.parametrize("stage", [Stage.PROPOSED, Stage.PROVISIONED, Stage.ATTESTED])
def test_a_region_that_is_not_ready_names_the_command(stage: Stage) -> None:
    """And the stage that it is at."""
    with pytest.raises(RegionNotRoutable, match=f"eu-1 is {stage}, and not routable") as caught:
        check_open("eu-1", stage)

    assert caught.value.advice == "Run: domicile region provision eu-1"


@pytest.mark.parametrize("stage", [None, *Stage])
def test_a_cell_is_chosen_only_if_its_region_would_take_the_tenant(stage: Stage | None) -> None:
    """Else the choice would come to nothing."""
    try:
        check_takes_tenants("eu-1", stage)
    except RegionNotRoutable:
        assert not takes_tenants(stage)
    else:
        assert takes_tenants(stage)


def test_a_retired_region_is_not_provisioned_again() -> None:
    """It is gone: the advice is to remove it."""
    with pytest.raises(RegionNotRoutable, match="eu-1 is retired") as caught:
        check_open("eu-1", Stage.RETIRED)

    assert "Remove it from the topology" in caught.value.advice


def test_a_provisioned_region_advances_and_never_goes_back() -> None:
    """Whoever repeats a step changes nothing."""
    way = [Stage.PROPOSED, Stage.PROVISIONED, Stage.ATTESTED, Stage.ROUTABLE]

    for now, before in enumerate(way):
        assert [advances(before, to) for to in way] == [now < n for n in range(4)]


@pytest.mark.parametrize("stage", [Stage.RETIRING, Stage.RETIRED])
def test_a_region_on_its_way_out_is_not_provisioned(stage: Stage) -> None:
    """The error says where it is."""
    with pytest.raises(InvalidRequest, match=f"is {stage}: it is not provisioned again"):
        advances(stage, Stage.ROUTABLE)
