"""A region ends when each backend in which it ever stored was seen empty, named or not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from storage.backends.health import WatchedBackend
from storage.backends.memory import MemoryBackend
from storage.catalog import storages
from storage.clock import steady
from storage.errors import DomicileError, Unavailable
from storage.evidence.retirements import RegionStatement, verify_region
from storage.model import DataClass, Scope
from storage.region import Backends, OpenRegion
from storage.retirement import retire_open
from storage.testing import Domicile
from tests.integration.test_region_retire import export, stage, statements, token_of, vacant
from tests.integration.test_vacate import change
from tests.support.actions import erase, purge_all, work
from tests.support.inspect.stored import home
from tests.support.topologies import lacking

pytestmark = pytest.mark.one_region

__all__ = ["vacant"]


def retired(domicile: Domicile, region: OpenRegion) -> RegionStatement:
    """Retire an open region. Return its statement."""
    token = token_of(retire_open(region, domicile.log))
    return verify_region(token, region.signing.public_key())


def call_lost(domicile: Domicile) -> None:
    """Attest that the storage of eu-b is lost."""
    with home(domicile).catalog.begin() as connection:
        now = domicile.clock.now()
        assert storages.note_loss(connection, "eu-b", now, actor="ops-7", document="a" * 64)


@pytest.mark.parametrize("then", [call_lost, lambda _: None])
def test_a_backend_is_not_forgotten_with_its_entry(
    vacant: Domicile, then: Callable[[Domicile], None]
) -> None:
    """All its replicas are gone, and nobody saw it empty."""
    purge_all(vacant, "eu-b")
    vacant.backends["eu-b"].inner.put("pack/nobody", b"x", timeout=10)
    then(vacant)

    with pytest.raises(DomicileError, match=r"eu-b .*was never seen empty") as caught:
        retired(vacant, lacking(home(vacant), "eu-b"))

    assert "with retires = true, and run: domicile backend retire eu-b" in caught.value.advice
    assert statements(vacant) == 0


def test_a_backend_whose_agreement_begins_anew_is_listed(vacant: Domicile) -> None:
    """It takes nothing today, and may have what it took before."""
    vacant.backends["eu-b"].inner.put("pack/nobody", b"x", timeout=10)
    region = home(vacant)
    companies = region.topology.sub_processors
    companies["meerspeicher"] = companies["meerspeicher"].model_copy(
        update={"since": date(2030, 1, 1)}
    )

    with pytest.raises(Unavailable, match="eu-b has bytes that no row"):
        retired(vacant, region)


def test_a_backend_that_never_took_a_byte_is_not_listed(vacant: Domicile) -> None:
    """Its agreement has not begun: its bucket may not be there for it yet."""
    region = home(vacant)
    companies = region.topology.sub_processors
    companies["later"] = companies["meerspeicher"].model_copy(
        update={"name": "later", "since": date(2030, 1, 1)}
    )
    first = region.region.backends[0]
    spec = first.model_copy(update={"name": "eu-z", "sub_processor": "later"})
    more = region.region.model_copy(update={"backends": (*region.region.backends, spec)})

    made = WatchedBackend(MemoryBackend("eu-z"), clock=steady, seconds=0.0)
    backends = Backends({**region.backends, "eu-z": made})

    statement = retired(vacant, replace(region, region=more, backends=backends))

    assert [each.backend for each in statement.backends] == ["eu-a", "eu-b"]


def test_what_was_retired_before_needs_no_entry(domicile: Domicile, tmp_path: Path) -> None:
    """Its statement is among those that the region's counts. So it is when asked again."""
    domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u")
    change(domicile, tmp_path, retires="eu-a")
    erase(domicile.store.tenant("acme-eu"), Scope.tenant())
    for hours in (1, 73, 1):
        work(domicile, hours=hours)
    domicile.store.admin.tenants.remove("acme-eu")
    export(domicile)
    region = lacking(home(domicile), "eu-a")

    statement = retired(domicile, region)

    assert [each.backend for each in statement.backends] == ["eu-b", "eu-c"]
    assert (statement.statements, stage(domicile)) == (1, "retired")
    assert retired(domicile, lacking(region, "eu-c")) == statement
