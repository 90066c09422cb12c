"""``region retire`` and ``tenant remove`` on the command line."""

import json
from pathlib import Path

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant

HOME, US = "eu-central-1", "us-east-1"


def test_a_region_is_retired_and_its_statement_verified(line: CommandLine, tmp_path: Path) -> None:
    """What is left ends with 5, and names who it belongs to; then the statement is printed."""
    ensure_tenant(line, "acme-us", US, "US")
    left = line("region", "retire", US, "--json")
    assert left.exit_code == Exit.UNAVAILABLE
    assert json.loads(left.stdout) == {
        "region": US,
        "stage": "retiring",
        "left": {"tenants": 1},
        "tenants": [{"tenant": "acme-us", "account": "acme"}],
    }
    shown = line("region", "retire", US)
    assert shown.exit_code == Exit.UNAVAILABLE
    assert "acme-us" in shown.stdout
    assert "takes no new tenant" in shown.stderr
    assert line.told("tenant", "remove", "acme-us") == {"tenant": "acme-us", "removed": True}
    assert line("tenant", "remove", "acme-us").exit_code == Exit.REFUSED

    token, key = tmp_path / "token", tmp_path / "key"
    key.write_text(line("receipt", "key", "--region", US).stdout)
    token.write_text(line.told("region", "retire", US)["statement"])
    statement = line.told("receipt", "verify", token, "--key", key)["statement"]
    assert (statement["region"], statement["jurisdiction"]) == (US, "US")
    assert "us-a" in line("receipt", "verify", token, "--key", key).stdout
    assert line("region", "retire", US).stdout.strip() == token.read_text()

    assert line("receipt", "export", tmp_path / "out", "--region", US).exit_code == 0
    (exported,) = (tmp_path / "out" / US).glob("region-*.txt")
    keys = tmp_path / "out" / US / "keys.json"
    assert line("receipt", "verify", exported, "--key", keys).exit_code == 0
    token.write_text(token.read_text()[:-8] + "AAAAAAAA")
    assert line("receipt", "verify", token, "--key", key).exit_code == Exit.DAMAGED
    ensure_tenant(line, "acme-2", HOME, "EU")
    assert line("doctor").exit_code == Exit.CONFIGURATION
    assert line("status").exit_code == Exit.CONFIGURATION
