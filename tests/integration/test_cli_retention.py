"""``tenant retention`` and ``put --keep-days``: how long a class, or a record, is kept."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.cli.commands import tenant_retention
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant


def retention_of(line: CommandLine, tenant: str) -> object:
    """Return what a tenant set."""
    (known,) = [t for t in line.told("tenant", "list")["tenants"] if t["id"] == tenant]
    assert known["agreements"]
    return known["retention"]


def test_a_dry_run_counts_what_would_end_earlier(line: CommandLine) -> None:
    """And changes nothing. What says less itself, or is of another class, does not count."""
    ensure_tenant(line, "count-eu", "eu-central-1", "EU")
    for given in ((), (), ("--keep-days", "7")):
        line("put", "count-eu", "--class", "prompt", *given, stdin=b"mine")
    line("put", "count-eu", "--class", "completion", stdin=b"mine")

    def told(days: int) -> dict[str, object]:
        found = line.told("tenant", "retention", "count-eu", "prompt", str(days), "--dry-run")
        ends: dict[str, object] = found["end_earlier"]
        return ends

    assert (told(30)["records"], told(7)["records"], told(5)["records"]) == (0, 2, 3)
    assert (told(5)["records_at_once"], told(0)["records_at_once"]) == (0, 3)
    assert told(0)["bytes"] == told(5)["bytes"]
    assert told(5)["exact"] is True
    shown = line("tenant", "retention", "count-eu", "prompt", "0", "--dry-run").stdout
    assert "of these at once" in shown
    assert retention_of(line, "count-eu") == {}


def test_a_class_is_kept_for_other_days_and_other_terms_stay(line: CommandLine) -> None:
    """A second class does not undo the first. What ends is not listed any more."""
    ensure_tenant(line, "keep-eu", "eu-central-1", "EU")
    line("put", "keep-eu", "--class", "prompt", stdin=b"mine")
    told = line.told("tenant", "retention", "keep-eu", "completion", "7")
    assert (told["days_now"], told["days"], told["dry_run"]) == (30, 7, False)

    ended, error = line.error("tenant", "retention", "keep-eu", "prompt", "0")
    assert ended == Exit.INVALID
    assert "confirmation" in str(error["message"])
    line.told("tenant", "retention", "keep-eu", "prompt", "0", "--yes")

    assert retention_of(line, "keep-eu") == {"completion": 7, "prompt": 0}
    assert line.told("list", "keep-eu")["records"] == []


@pytest.mark.parametrize(
    ("meanwhile", "kept"),
    [
        (("completion", "7"), {"completion": 7, "prompt": 5}),
        (("prompt", "9"), {"prompt": 9}),
        (("prompt", "30"), {"prompt": 30}),
    ],
)
def test_a_change_of_somebody_else_is_not_lost(
    line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: tuple[str, str],
    kept: dict[str, int],
) -> None:
    """While one is asked, another changes it: another class stays, the same one is refused."""
    tenant = f"two-{'-'.join(meanwhile)}"
    ensure_tenant(line, tenant, "eu-central-1", "EU")
    line("put", tenant, "--class", "prompt", stdin=b"mine")
    first = ("tenant", "retention", tenant, "prompt", "5")

    def other(_: str) -> None:
        with monkeypatch.context() as undone:
            undone.setattr(tenant_retention, "confirm", lambda _: None)
            line.told("tenant", "retention", tenant, *meanwhile, "--yes")

    monkeypatch.setattr(tenant_retention, "confirm", other)
    if meanwhile[0] == "prompt":
        ended, error = line.error(*first)
        assert (ended, error["code"]) == (Exit.UNAVAILABLE, "TermsChanged")
    else:
        line.told(*first)

    assert retention_of(line, tenant) == kept


def test_what_a_tenant_may_not_set_is_refused(line: CommandLine) -> None:
    """Above the ceiling, below the floor, and of a class that is no record."""
    for name, days in (("prompt", "31"), ("prompt", "1"), ("event", "30"), ("flag", "7")):
        for more in ((), ("--dry-run",)):
            ended, _ = line.error("tenant", "retention", "acme-eu", name, days, *more)
            assert ended == Exit.INVALID


def test_an_event_is_put_without_content(line: CommandLine) -> None:
    """Its metadata says it all."""
    told = line.told("put", "acme-eu", "--class", "event", "--metadata", '{"did": "answered"}')
    assert told["stored"] is True
    ended, _ = line.error("put", "acme-eu", "README.md", "--class", "event")
    assert ended == Exit.INVALID


def test_a_dry_run_counts_data_from_before_by_its_origin_date(line: CommandLine) -> None:
    """What ends at once is not listed once the retention is shortened."""
    ensure_tenant(line, "origin-eu", "eu-central-1", "EU")
    day = datetime.now(UTC).date() - timedelta(days=10)
    origin = ("--origin-date", str(day), "--origin-source", "a" * 64)
    line("put", "origin-eu", "--class", "prompt", *origin, stdin=b"older")
    line("put", "origin-eu", "--class", "prompt", stdin=b"new")
    shorter = ("tenant", "retention", "origin-eu", "prompt")
    found = [line.told(*shorter, days, "--dry-run")["end_earlier"] for days in ("25", "14", "8")]
    assert [(x["records"], x["records_at_once"]) for x in found] == [(2, 0), (2, 0), (2, 1)]

    line("tenant", "retention", "origin-eu", "prompt", "8", "--yes")
    assert len(line.told("list", "origin-eu")["records"]) == 1
    again = line.told(*shorter, "7", "--dry-run")["end_earlier"]
    assert (again["records"], again["records_at_once"]) == (1, 0)


@pytest.mark.parametrize("days", ["31", "0"])
def test_days_that_a_record_is_not_kept_for_are_named(line: CommandLine, days: str) -> None:
    """With those that its tenant keeps it for, if they are fewer."""
    ensure_tenant(line, "days-eu", "eu-central-1", "EU")
    put = ("put", "days-eu", "--class", "prompt", "--keep-days", days)
    ended, error = line.error(*put, stdin="mine")
    assert ended == Exit.INVALID
    assert f"not kept for {days} days" in str(error["message"])
    assert days == "0" or "the tenant keeps a prompt for 30 days." in str(error["message"])
