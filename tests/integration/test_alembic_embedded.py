"""Regions that revisions declare, with the embedded PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalog import stages
from storage.errors import CatalogUnsupported
from storage.initialize import init
from storage.migrating.scaffold import new_topology
from storage.policy import Stage
from storage.settings import load_settings, region_settings, topology_of
from storage.testing.harness import memory_directory
from tests.support.alembic_place import EU, US, Place
from tests.support.catalogs.databases import MEANS, opened


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The directory of an adopter without settings, before ``init``."""
    made = Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory()))
    new_topology(made / "topology")
    monkeypatch.setenv("DOMICILE_HOME", str(made / "home"))
    monkeypatch.setenv("DOMICILE_TOPOLOGY", str(made / "topology"))
    yield Place(made / "topology", {})
    shutil.rmtree(made)


def test_a_declared_region_is_changed_and_retired(embedded: Place) -> None:
    """With ``-x embedded``, because a person says so; then ``init`` or Alembic applies it."""
    assert "Run: domicile init" in embedded.refuses("-x", "embedded", "upgrade", "heads")
    init(load_settings(), dependencies=MEANS)
    file = embedded.directory / "regions" / f"{EU}.toml"
    text = file.read_text()
    file.write_text(text.replace("catalog_backup_days = 7", "catalog_backup_days = 9"))
    with pytest.raises(CatalogUnsupported, match=f"{EU}.toml is not what revision"):
        init(load_settings(), dependencies=MEANS)
    assert "-x embedded" in embedded.refuses("revision", "--autogenerate", "-m", "Change")

    embedded.alembic("-x", "embedded", "revision", "--autogenerate", "-m", "Change")
    init(load_settings(), dependencies=MEANS)
    assert "No new upgrade operations" in embedded.alembic("-x", "embedded", "check")

    us = embedded.directory / "regions" / f"{US}.toml"
    kept = us.read_text()
    us.unlink()
    with pytest.raises(CatalogUnsupported, match=rf"declares {US}, and there is no"):
        init(load_settings(), dependencies=MEANS)
    embedded.alembic("-x", "embedded", "revision", "--autogenerate", "-m", "Leave the US")
    embedded.alembic("-x", "embedded", "upgrade", "heads")
    assert set(init(load_settings(), dependencies=MEANS)) == {EU}

    us.write_text(kept)
    settings = load_settings()
    with (
        region_settings(settings, topology_of(settings)) as regions,
        opened(US, regions[US].catalog_url.get_secret_value()) as connection,
    ):
        assert stages.latest(connection) is Stage.RETIRED
