"""A worker that is watched, as a process; and the check that monitors run."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from shutil import copy

import pytest

from storage.catalog import status as numbers
from storage.cli.commands import status
from storage.cli.exit_codes import Exit
from storage.client.status import region_status
from storage.model import RegionStatus
from storage.region import OpenRegion
from tests.support.cli_harness import CommandLine, start_command

HOME = "eu-central-1"
_ERASE = ["--reason", "subject_request", "--yes"]


@contextmanager
def watched_worker(line: CommandLine) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a worker with pages on any free port; yield the process and the port."""
    process = start_command(line, "worker", "--metrics", "0", "--pause", "0.1")
    try:
        assert process.stderr is not None
        for row in process.stderr:
            told = json.loads(row)
            if told["event"] == "worker_watched":
                assert told["host"] == "127.0.0.1"
                yield process, told["port"]
                break
        else:
            raise AssertionError("it does not say where it listens")
    finally:
        process.kill()
        process.communicate()


def page(port: int, path: str) -> tuple[int, str]:
    """Return status and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_worker_answers_while_it_works_and_ends_when_it_is_told(line: CommandLine) -> None:
    """Its metrics, whether it lives, and which regions it can serve."""
    with watched_worker(line) as (process, port):
        assert page(port, "/healthz")[0] == 200
        ready = json.loads(page(port, "/readyz")[1])
        assert [(r["region"], r["ready"]) for r in ready["regions"]] == [
            (HOME, True),
            ("us-east-1", True),
        ]
        assert page(port, f"/readyz/{HOME}")[0] == 200
        assert page(port, "/readyz/mars")[0] == page(port, "/")[0] == 404
        status_code, metrics = page(port, "/metrics")
        assert status_code == 200
        assert 'domicile_region_up{region="eu-central-1"} 1.0' in metrics
        assert "domicile_worker_still_seconds" in metrics
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == Exit.DONE


def test_metrics_are_for_a_worker_that_goes_on(line: CommandLine) -> None:
    """One round has no time to be watched. An address needs a port."""
    for flag in ("--once", "--dry-run"):
        assert line("worker", flag, "--metrics", "0").exit_code == Exit.INVALID
    code, error = line.error("worker", "--metrics", "localhost")
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")


def test_without_the_extra_a_worker_says_what_to_install(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all else works without it."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("exporter", "instruments"):
        monkeypatch.delitem(sys.modules, f"storage.watching.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    code, error = line.error("worker", "--metrics", "0")
    assert (code, error["code"]) == (Exit.CONFIGURATION, "SettingsError")
    assert "domicile[metrics]" in error["advice"]
    assert line("worker", "--once").exit_code == Exit.DONE
    assert line("status", "--region", HOME).exit_code == 0


def test_a_region_that_is_fine(line: CommandLine) -> None:
    """The first line is for the monitor, and the status follows."""
    line("worker", "--once")
    shown = line("status", "--region", HOME)
    first, _, *rest = shown.stdout.splitlines()

    assert (shown.exit_code, first) == (0, f"OK - {HOME}: nothing is overdue")
    assert rest == line("status").stdout.split("us-east-1")[0].rstrip().splitlines()
    told = line.told("status", "--region", HOME)
    assert (told["level"], told["problems"]) == ("ok", [])
    assert told["region"]["region"] == HOME


def test_a_warning(line: CommandLine) -> None:
    """Receipts wait for a key that no row knows."""
    line.put("mine", "--subject", "user-11")
    pack = max((line.home / "backends" / "eu-a" / "pack").rglob("*-*/*-*"), key=os.path.getmtime)
    stray = pack.with_name("f" * 65)
    copy(pack, stray)
    line("erase", "acme-eu", "--subject", "user-11", *_ERASE)
    line("worker", "--once")
    shown = line("status", "--region", HOME)
    assert shown.exit_code == 1
    assert shown.stdout.startswith(f"WARNING - {HOME}: 1 key on eu-a that no row knows\n")
    result = line("status", "--region", HOME, "--json")
    assert (result.exit_code, json.loads(result.stdout)["level"]) == (1, "warning")
    assert line("status").exit_code == Exit.DONE  # as ever
    stray.unlink()


def test_a_promise_that_is_broken(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is critical, whatever else there is."""

    def late(region: OpenRegion) -> RegionStatus:
        return replace(region_status(region), overdue_days=2, overdue_reviews=1)

    monkeypatch.setattr(status, "region_status", late)
    shown = line("status", "--region", HOME)
    assert shown.exit_code == 2
    first = shown.stdout.splitlines()[0]
    assert first.startswith(f"CRITICAL - {HOME}: 2 expiry days overdue; ")
    assert first.endswith("1 hold to be reviewed")


def test_a_region_that_cannot_be_used(line: CommandLine, tmp_path: Path) -> None:
    """No catalog answers: critical, because its tenants are not served."""
    given = {
        "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": "postgresql://x@127.0.0.1:1/x",
        "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(line.home / "keys" / f"{HOME}.toml"),
    }
    shown = line("status", "--region", HOME, environment=given)
    assert shown.exit_code == 2
    assert shown.stdout.startswith(f"CRITICAL - {HOME}: ")
    told = json.loads(line("status", "--region", HOME, "--json", environment=given).stdout)
    assert [problem["code"] for problem in told["problems"]] == ["CatalogUnavailable"]


def test_what_nobody_knows(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another region, wrong settings, a bug: no code of these is that of a warning."""
    assert line("status", "--region", "mars").exit_code == 3
    away = {"DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": "postgresql://x@127.0.0.1:1/x"}
    away |= {"DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": "/nowhere"}
    shown = line("status", "--region", HOME, environment=away)
    assert (shown.exit_code, shown.stdout.split(" - ")[0]) == (3, "UNKNOWN")

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(numbers, "totals", broken)
    result = line("status", "--region", HOME, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["problems"][0]["code"] == "UnexpectedError"
