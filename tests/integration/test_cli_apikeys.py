"""``apikey create``, ``list`` and ``revoke``."""

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine


def test_a_key_is_shown_once_listed_and_revoked(line: CommandLine) -> None:
    """Stdout has the key alone, to be piped. The list never has it."""
    created = line("apikey", "create", "acme-eu", "--scope", "write")
    secret = created.stdout.strip()

    told = line.told("apikey", "list", "acme-eu")
    (key,) = [one for one in told["api_keys"] if one["scope"] == "write"]
    line.told("apikey", "revoke", key["id"])
    shown = line("apikey", "list", "acme-eu").stdout

    assert secret.startswith("dmc_eu-central-1_")
    assert secret not in created.stderr
    assert key["id"] in created.stderr
    assert key["revoked"] is None
    assert secret not in str(told)
    assert secret not in shown
    (after,) = [
        one for one in line.told("apikey", "list", "acme-eu")["api_keys"] if one["id"] == key["id"]
    ]
    assert after["revoked"] is not None


def test_what_is_refused(line: CommandLine) -> None:
    """An unknown tenant, scope or key."""
    assert line.error("apikey", "create", "nobody", "--scope", "read")[0] == Exit.REFUSED
    assert line.error("apikey", "create", "acme-eu", "--scope", "all")[0] == Exit.INVALID
    assert line.error("apikey", "revoke", "key-1")[0] == Exit.INVALID
    none = "00000000-0000-0000-0000-000000000001"
    assert line.error("apikey", "revoke", none)[0] == Exit.NOT_THERE
