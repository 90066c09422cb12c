"""``receipt export``: every receipt and statement as a file, before its catalog goes."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from storage.cli.app import app
from storage.cli.exit_codes import Exit
from storage.evidence.keys import import_public_keys
from storage.evidence.receipts import verify
from storage.model import DataClass, Scope
from storage.testing import Domicile
from tests.support.actions import erase, work
from tests.support.inspect.stored import HOME, home


class Exporter:
    """The command, on the catalogs of a Domicile in this process."""

    def __init__(self, domicile: Domicile, directory: Path) -> None:
        self.domicile, self.directory = domicile, directory

    def __call__(self, *more: str) -> Result:
        """Export the evidence of the region that the tests work in."""
        settings = self.domicile.settings
        given: dict[str, str | None] = {n: None for n in os.environ if n.startswith("DOMICILE_")}
        given["DOMICILE_HOME"] = str(settings.home)
        for name, own in settings.regions.items():
            prefix = f"DOMICILE_REGIONS__{name.upper().replace('-', '_')}"
            given[f"{prefix}__CATALOG_URL"] = own.catalog_url.get_secret_value()
            given[f"{prefix}__KEYS_FILE"] = str(own.keys_file)
        arguments = ["receipt", "export", str(self.directory), "--region", HOME, *more]
        return CliRunner(env=given).invoke(app, arguments)

    def written(self) -> dict[str, str]:
        """Return the receipts that are in files, by name."""
        return {f.name: f.read_text() for f in (self.directory / HOME).glob("receipt-*.txt")}

    def marked(self) -> int:
        """Return how many receipts are noted as exported."""
        query = text("SELECT count(*) FROM receipt WHERE exported IS NOT NULL")
        with home(self.domicile).catalog.begin() as connection:
            return connection.scalar(query) or 0

    def add(self, number: int) -> None:
        """Add rows of receipts, whose tokens nobody verifies."""
        with home(self.domicile).catalog.begin() as connection:
            connection.execute(
                text(
                    "WITH made AS (INSERT INTO erasure (id, tenant, scope, reason, state, "
                    "requested, cutoff) SELECT gen_random_uuid(), 't', 'tenant', 'x', 'complete', "
                    "now(), now() FROM generate_series(1, :number) RETURNING id) "
                    "INSERT INTO receipt (erasure_id, token, issued) "
                    "SELECT id, 'x', now() FROM made"
                ),
                {"number": number},
            )


@pytest.fixture
def exporter(domicile: Domicile, tmp_path: Path) -> Exporter:
    """The command, and a directory that does not exist yet."""
    return Exporter(domicile, tmp_path / "a" / "b")


def test_each_receipt_is_a_file_that_the_keys_verify(exporter: Exporter) -> None:
    """With nothing but the directory. The second run has nothing to write."""
    t = exporter.domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    erasure = erase(t, Scope.tenant())
    for hours in (1, 73, 1):
        work(exporter.domicile, hours=hours)

    first = exporter()
    assert first.exit_code == 0, first.output
    keys = import_public_keys((exporter.directory / HOME / "keys.json").read_text())
    ((name, token),) = exporter.written().items()
    assert name == f"receipt-{erasure.id}.txt"
    assert verify(token, keys).erasure == erasure.id
    assert (exporter.directory / HOME / name).stat().st_mode & 0o077 == 0

    again = exporter().output
    assert "0 files" in again
    assert "1 file was exported before" in again
    assert "--all" in again


def test_a_lost_directory_is_written_again(exporter: Exporter) -> None:
    """``--all`` writes all pages of what was exported, and what was not. No mark changes."""
    exporter.add(205)
    exporter()
    written, lost = exporter.written(), exporter.directory / HOME
    lost.rename(exporter.directory / "lost")
    exporter.add(3)

    assert "208 files" in exporter("--all").output
    assert len(exporter.written()) == exporter.marked() == 208
    assert exporter.written().items() > written.items()
    told = json.loads(exporter("--all", "--json").output)
    assert told == {"written": {HOME: 208}, "exported_before": {HOME: 208}}


def test_all_pages_are_written(exporter: Exporter) -> None:
    """There are more receipts than are read at once."""
    exporter.add(205)

    assert "205 files" in exporter().output
    assert len(exporter.written()) == exporter.marked() == 205


@pytest.mark.parametrize(("number", "marked"), [(2, 0), (60, 0), (105, 0), (106, 100)])
def test_nothing_is_marked_before_it_is_on_the_disk(
    exporter: Exporter, number: int, marked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails for good: 105 is the directory of the first page of 100."""
    exporter.add(130)
    calls, real = 0, os.fsync

    def fails(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fails)
        assert exporter().exit_code == Exit.INVALID
    assert exporter.marked() == marked

    assert exporter().exit_code == 0
    assert len(exporter.written()) == exporter.marked() == 130
