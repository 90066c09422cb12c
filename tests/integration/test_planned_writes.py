"""What a process decided once for many writes ends where the facts change."""

from datetime import timedelta

import pytest

from regions.fields import PostureCheck
from storage.errors import PlacementUnsatisfied
from storage.model import DataClass, Posture, PostureFinding
from storage.policy import retain
from storage.testing import Domicile
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

GOOD: Posture = dict.fromkeys(PostureCheck, PostureFinding.OK)
BAD: Posture = {PostureCheck.REPLICATION: PostureFinding.BAD}


def test_buckets_that_turn_bad_take_nothing_by_an_older_plan(domicile: Domicile) -> None:
    """Which backends are closed is asked for with each record, and the refusal says which."""
    backends = [domicile.backends[name] for name in ("eu-a", "eu-b")]
    for backend in backends:
        backend.inject(lambda _: GOOD, "posture")
    domicile.open()
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine")

    for backend in backends:
        backend.inject(lambda _: BAD, "posture")
    domicile.pass_time(minutes=6)

    with pytest.raises(PlacementUnsatisfied, match="posture_bad"):
        tenant.put(DataClass.PROMPT, b"mine")


def test_a_shorter_retention_binds_the_next_write(domicile: Domicile) -> None:
    """Once the process knows of it, nothing is kept for as long as before."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")

    result = domicile.tenant(retention={DataClass.PROMPT: 7}).put(DataClass.PROMPT, b"mine")

    assert result.deadline is not None
    assert result.deadline <= domicile.clock.now() + timedelta(days=7)


def test_the_next_day_has_its_own_plan(domicile: Domicile) -> None:
    """Each record is kept as long as a record of its own moment."""
    tenant, topology = domicile.tenant(), home(domicile).topology
    spec = domicile.homes.find("acme-eu")[1].spec
    for _ in range(3):
        result = tenant.put(DataClass.PROMPT, b"mine")

        assert (
            result.deadline
            == retain(topology, spec, DataClass.PROMPT, domicile.clock.now()).deadline
        )
        domicile.pass_time(days=1)
