"""``tenant retention`` and ``put --keep-days``: how long a class, or a record, is kept."""

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine


def test_a_dry_run_counts_what_would_end_earlier(line: CommandLine) -> None:
    """And changes nothing. What says less itself, or is of another class, does not count."""
    for given in ((), (), ("--keep-days", "7")):
        line("put", "acme-eu", "--class", "prompt", *given, stdin=b"mine")
    line("put", "acme-eu", "--class", "completion", stdin=b"mine")

    def told(days: int) -> dict[str, object]:
        found = line.told("tenant", "retention", "acme-eu", "prompt", str(days), "--dry-run")
        ends: dict[str, object] = found["end_earlier"]
        return ends

    assert (told(30)["records"], told(7)["records"], told(5)["records"]) == (0, 2, 3)
    assert (told(5)["records_at_once"], told(0)["records_at_once"]) == (0, 3)
    assert told(0)["bytes"] == told(5)["bytes"]
    assert told(5)["exact"] is True
    shown = line("tenant", "retention", "acme-eu", "prompt", "0", "--dry-run").stdout
    assert "of these at once" in shown
    assert line.told("tenant", "list")["tenants"][0]["retention"] == {}


def test_a_class_is_kept_for_other_days_and_other_terms_stay(line: CommandLine) -> None:
    """A second class does not undo the first. What ends is not listed any more."""
    line("put", "acme-eu", "--class", "prompt", stdin=b"mine")
    line("tenant", "retention", "acme-eu", "completion", "7")

    ended, error = line.error("tenant", "retention", "acme-eu", "prompt", "0")
    assert ended == Exit.INVALID
    assert "confirmation" in str(error["message"])
    line("tenant", "retention", "acme-eu", "prompt", "0", "--yes")

    (known,) = [t for t in line.told("tenant", "list")["tenants"] if t["id"] == "acme-eu"]
    assert known["retention"] == {"completion": 7, "prompt": 0}
    assert known["agreements"]
    assert line.told("list", "acme-eu")["records"] == []


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
