"""What a dry run counts is what the duties find."""

from datetime import timedelta

import pytest
import structlog

from storage.testing import Domicile
from storage.workers.due import due
from storage.workers.loop import duties
from tests.support.actions import duty, erase, put_prompt, work
from tests.support.inspect.stored import home, homes_of

pytestmark = pytest.mark.one_region


def counts(domicile: Domicile) -> dict[str, int]:
    """Return the duties that have due work in the home region."""
    return {name: count for name, count in due(home(domicile)).items() if count}


def test_every_duty_is_counted(domicile: Domicile) -> None:
    """Except what is compared and read each time: clocks, postures and holds to confirm."""
    region, keys = home(domicile), homes_of(domicile.store).served("eu-central-1").keys
    names = {one.name for one in duties(region, keys, structlog.get_logger())}
    assert due(region).keys() == names - {"clocks", "postures", "holds"}


def test_an_erasure_is_due_step_by_step(domicile: Domicile) -> None:
    """Each step makes the next one due. In the end nothing is due."""
    tenant = domicile.tenant()
    for _ in range(2):
        work(domicile, hours=2)
    put_prompt(domicile, "u")
    assert counts(domicile) == {}

    erasure = erase(tenant)
    assert counts(domicile) == {"plan": 1, "seal": 1}
    duty(domicile, "plan")
    assert counts(domicile) == {"purge": 2, "seal": 1}
    duty(domicile, "purge")
    assert counts(domicile) == {"sweep": 2, "prune": 1, "seal": 1}  # the control has served
    duty(domicile, "sweep")
    assert counts(domicile) == {"purge": 2, "complete": 1, "prune": 1, "seal": 1}
    duty(domicile, "complete")
    assert domicile.store.erasure(erasure.id).receipt is not None
    assert counts(domicile) == {"purge": 2, "prune": 2, "seal": 2}


def test_a_day_is_due_when_it_is_over(domicile: Domicile) -> None:
    """Not before, and not while a worker has a lease on it. Evidence is due after its period."""
    tenant = domicile.tenant()
    put_prompt(domicile, "u")
    erase(tenant)
    for _ in range(6):
        work(domicile, days=4)
    assert "expire" not in counts(domicile)
    domicile.pass_time(days=6)
    assert counts(domicile)["expire"] >= 1
    for _ in range(8):
        work(domicile, hours=2)
    assert counts(domicile).keys() <= {"scrub"}

    domicile.clock.advance(timedelta(days=1500))
    assert counts(domicile)["prune"] >= 1
