"""``domicile recover``."""

import json

import pytest
from typer.testing import CliRunner

from storage import bootstrap
from storage.cli.app import app
from storage.cli.commands import recover
from storage.cli.exit_codes import Exit
from storage.dependencies import Dependencies
from storage.errors import CatalogRestored
from storage.model import DataClass
from storage.testing import Domicile
from tests.support.actions import erase
from tests.support.catalogs.backups import Dump
from tests.support.inspect.stored import HOME

pytestmark = pytest.mark.one_region


@pytest.fixture
def command(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner with the settings and backends of the test's Domicile."""
    real = bootstrap.open_restored

    def with_dependencies(
        settings: object, *, only: str | None = None, dependencies: Dependencies | None = None
    ) -> object:
        return real(domicile.settings, dependencies=domicile.dependencies, only=only)

    monkeypatch.setattr(recover, "load_settings", lambda: domicile.settings)
    monkeypatch.setattr(bootstrap, "open_restored", with_dependencies)
    return CliRunner()


def test_from_a_restore_to_service(domicile: Domicile, command: CliRunner) -> None:
    """A dry run, a report that waits for confirmation, the recovery; then nothing is left to do."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="somebody")
    dump = Dump.of(domicile)
    lost = t.put(DataClass.PROMPT, b"after the backup")
    erase(t)
    dump.restore(domicile)

    rehearsal = command.invoke(app, ["recover", "--region", HOME, "--dry-run", "--json"])
    told = json.loads(rehearsal.stdout)
    waiting = command.invoke(app, ["recover", "--region", HOME])
    with pytest.raises(CatalogRestored):
        domicile.open()
    done = command.invoke(app, ["recover", "--confirm"])
    again = command.invoke(app, ["recover"])

    assert (rehearsal.exit_code, told["dry_run"]) == (Exit.DONE, True)
    (region,) = told["regions"]
    assert region == {
        "region": HOME,
        "changed": ["database", "table"],
        "entries": 1,
        "revoked": 0,
        "api_keys": 0,
        "replayed": 1,
        "unreadable": 0,
        "missing": 0,
        "unavailable": [],
        "lines": 0,
        "reattached": 0,
        "lost_records": 0,
        "lost": [],
        "orphans": region["orphans"],
        "recovered": False,
    }
    assert [(x["kind"], x["day"], x["objects"]) for x in region["orphans"]] == [
        ("pack", lost.id.day.isoformat() if lost.id.day else None, 1)
    ]
    assert waiting.exit_code == Exit.DECLINED
    assert "its database, table changed" in waiting.stdout
    assert "Nothing is served or destroyed there yet" in waiting.stderr
    assert done.exit_code == Exit.DONE
    assert f"{HOME}: start its workers and services" in done.stdout
    assert "there is nothing to do" in again.stdout
    assert "somebody" not in rehearsal.output + waiting.output + done.output
    domicile.open()


def test_a_dry_run_shows_its_report(domicile: Domicile, command: CliRunner) -> None:
    """Also without ``--json``."""
    dump = Dump.of(domicile)
    erase(domicile.tenant())
    dump.restore(domicile)

    shown = command.invoke(app, ["recover", "--dry-run"])

    assert shown.exit_code == Exit.DONE
    assert "records lost" in shown.stdout
    assert "replayed" in shown.stdout
    assert "note them again: domicile model add" in " ".join(shown.stderr.split())


def test_invalid_requests(command: CliRunner) -> None:
    """Exclusive options, and a region that this process does not serve."""
    both = command.invoke(app, ["recover", "--dry-run", "--confirm"])
    foreign = command.invoke(app, ["recover", "--region", "mars-1"])
    assert (both.exit_code, foreign.exit_code) == (Exit.INVALID, Exit.REFUSED)
