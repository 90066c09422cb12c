"""Which regions services may use, by stage."""

import pytest

from storage.errors import InvalidRequest, RegionNotRoutable
from storage.policy import Stage, advances, check_open


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


def test_a_retired_region_is_not_provisioned_again() -> None:
    """It is gone: the advice is to remove it."""
    with pytest.raises(RegionNotRoutable, match="eu-1 is retired") as caught:
        check_open("eu-1", Stage.RETIRED)

    assert "Remove it from the topology" in caught.value.advice


WAY = [Stage.PROPOSED, Stage.PROVISIONED, Stage.ATTESTED, Stage.ROUTABLE]


def test_a_region_goes_one_way() -> None:
    """A repetition, or a second process, takes none back and notes none twice."""
    for n, now in enumerate(WAY):
        assert [advances(now, to) for to in WAY] == [m > n for m in range(len(WAY))]


@pytest.mark.parametrize("stage", [Stage.RETIRING, Stage.RETIRED])
def test_a_region_on_its_way_out_does_not_come_back(stage: Stage) -> None:
    """Its evidence ends, or has ended."""
    with pytest.raises(InvalidRequest, match=f"The region is {stage}: it is not provisioned"):
        advances(stage, Stage.ROUTABLE)
