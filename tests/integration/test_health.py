"""A process says which regions it can serve, and asks no backend for it."""

import asyncio

import pytest

from regions.fields import PostureCheck
from storage import AsyncStore
from storage.bootstrap import open_homes
from storage.client.health import region_health
from storage.errors import TooFewReplicas, WrongRegion
from storage.model import DataClass, PlacementReason, Posture, PostureFinding
from storage.settings import RegionSettings
from storage.testing import Domicile
from tests.support.inspect.stored import HOME

AWAY = "us-east-1"
BAD: Posture = {PostureCheck.REPLICATION: PostureFinding.BAD}


def test_all_is_well(domicile: Domicile) -> None:
    """Both regions, both backends of each. No backend was asked."""
    domicile.store.health()
    before = [len(backend.calls) for backend in domicile.backends.values()]
    health = domicile.store.health()

    assert health.ready
    assert {name: region.ready for name, region in health.regions.items()} == {
        HOME: True,
        AWAY: True,
    }
    assert [b.backend for b in health.regions[HOME].backends] == ["eu-a", "eu-b"]
    assert [len(backend.calls) for backend in domicile.backends.values()] == before


def test_a_catalog_that_does_not_answer(domicile: Domicile) -> None:
    """The other region is served, and the process stays ready."""
    with domicile.catalog_faults() as faults:
        faults.down = True
        domicile.homes.served(HOME).region.catalog.engine.dispose()
        health = domicile.store.health()
        assert (health.regions[HOME].error, health.regions[HOME].ready) == (
            "CatalogUnavailable",
            False,
        )
        assert health.ready
        with domicile.catalog_faults(AWAY) as others:
            others.down = True
            domicile.homes.served(AWAY).region.catalog.engine.dispose()
            assert not domicile.store.health().ready
            others.down = False
        faults.down = False
    assert domicile.store.health().regions[HOME].ready


def test_backends_that_did_not_answer_lately(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two is enough for a write in this region; none is not."""
    t = domicile.tenant()
    for backend in domicile.homes.served(HOME).region.backends.values():
        monkeypatch.setattr(backend, "_seconds", 60.0)
    domicile.take_down("eu-b")
    t.put(DataClass.PROMPT, b"one")
    health = domicile.store.health().regions[HOME]
    assert {b.backend: b.answers for b in health.backends} == {"eu-a": True, "eu-b": False}
    assert health.ready

    domicile.take_down("eu-a")
    with pytest.raises(TooFewReplicas):
        t.put(DataClass.PROMPT, b"two")
    health = domicile.store.health().regions[HOME]
    assert (health.error, health.short, health.ready) == (None, True, False)


@pytest.mark.one_region
def test_a_bucket_that_turns_bad(domicile: Domicile) -> None:
    """It counts as one that is away."""
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(lambda _: BAD, "posture")
    domicile.open()
    health = domicile.store.health()
    assert {b.closed for b in health.regions[HOME].backends} == {PlacementReason.POSTURE_BAD}
    assert not health.ready


def test_a_region_that_does_not_open(domicile: Domicile) -> None:
    """Its error is told; to ask for one that is not served is a mistake."""
    regions = dict(domicile.settings.regions)
    gone = regions[AWAY].keys_file.with_name("gone.toml")
    regions[AWAY] = RegionSettings(catalog_url=regions[AWAY].catalog_url, keys_file=gone)
    settings = domicile.settings.model_copy(update={"regions": regions})
    with open_homes(settings, dependencies=domicile.dependencies, log=domicile.log) as homes:
        assert region_health(homes, AWAY).error == "SettingsError"
        assert region_health(homes, HOME).ready
        with pytest.raises(WrongRegion):
            region_health(homes, "mars")


@pytest.mark.one_region
def test_the_same_of_an_event_loop(domicile: Domicile) -> None:
    """It blocks no loop."""

    async def run() -> bool:
        shared = AsyncStore(domicile.store)
        found = await shared.health()
        await shared.close()
        return found.ready

    assert asyncio.run(run())
