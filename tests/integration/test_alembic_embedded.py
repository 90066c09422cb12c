"""Regions that revisions declare, with the embedded PostgreSQL."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from storage.catalog import stages
from storage.cli.app import app
from storage.cli.exit_codes import Exit
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


def test_the_list_of_regions_says_how_far_each_is(embedded: Place) -> None:
    """Before anything is there too. A region that is only declared is no news for a command."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    def stages_of() -> dict[str, str | None]:
        told = json.loads(run("region", "list", "--json").stdout)
        return {each["region"]: each["stage"] for each in told["regions"]}

    assert stages_of() == {EU: None, US: None}
    begun = run("init")
    assert begun.stdout == f"proposed {EU}\nproposed {US}\n"
    assert f"Run: domicile region provision {EU} {US}" in begun.stderr
    assert stages_of() == {EU: "proposed", US: "proposed"}
    provisioned = run("region", "provision", EU)
    assert "routable" in provisioned.stdout
    shown = run("region", "list").stdout
    assert re.search(rf"{EU} .* routable ", shown)
    assert re.search(rf"{US} .* proposed ", shown)

    terms = ["--account", "acme", "--home", EU, "--residency", "EU", "--dpa", "2026-01-05"]
    made = run("tenant", "ensure", "acme-eu", *terms)

    assert run("init").stdout == f"ready {EU}\nproposed {US}\n"
    assert made.exit_code == 0
    assert "region_not_opened" not in made.stderr


def test_a_region_that_does_not_answer_is_listed(embedded: Place) -> None:
    """With the others, whose stages are known, and its error."""
    init(load_settings(), dependencies=MEANS)
    topology = embedded.directory / "regions"
    text = (topology / f"{EU}.toml").read_text()
    new = text.replace(EU, "eu-north-1").replace("eu-a", "north-a").replace("eu-b", "north-b")
    (topology / "eu-north-1.toml").write_text(new)

    found = CliRunner().invoke(app, ["region", "list", "--json"])

    told = json.loads(found.stdout)
    assert found.exit_code == Exit.CONFIGURATION
    assert [each["stage"] for each in told["regions"]] == ["proposed", None, "proposed"]
    assert [each["region"] for each in told["failed"]] == ["eu-north-1"]
