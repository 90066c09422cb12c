"""Which regions services may use, by stage."""

import pytest

from storage.errors import RegionNotRoutable
from storage.policy import Stage, check_open


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
