"""Bugs in the connections to a catalog: protection and limits of time."""

from tests.mutants.bugs.bug import bug

ADDRESS = "tests/unit/test_catalog_address.py"
LOST = "tests/faults/test_lost_connections.py"
SLOW = "tests/faults/test_slow_catalog.py"

BUGS = (
    bug(
        "another host needs no verified certificate",
        "catalog/address.py",
        '    if remote and options.get("sslmode") != "verify-full":\n',
        '    if remote and options.get("sslmode") == "disable":\n',
        ADDRESS,
    ),
    bug(
        "a variable may change the connection",
        "catalog/address.py",
        "    _check_environment(region, options, environment)\n",
        "",
        ADDRESS,
    ),
    bug(
        "a number may bypass the name of the host",
        "catalog/address.py",
        '    _check_numbers(region, str(options.get("hostaddr", "")))\n',
        "",
        ADDRESS,
    ),
    bug(
        "any of several hosts is good",
        "catalog/address.py",
        "    _check_hosts(region, names, hosts)\n",
        "",
        ADDRESS,
    ),
    bug(
        "the cursor of a lost connection stays open",
        "catalog/connections.py",
        "        context.execution_context.cursor.close()\n",
        "        pass\n",
        "tests/faults/test_lost_commits.py",
    ),
    bug(
        "libpq is not told what matters",
        "catalog/connections.py",
        '{"prepare_threshold": None, **address.parameters}',
        '{"prepare_threshold": None}',
        "tests/integration/test_catalog_logins.py",
    ),
    bug(
        "a transaction has no limits",
        "catalog/connections.py",
        "            self.execute(times.begin)\n",
        '            self.execute("BEGIN")\n',
        SLOW,
    ),
    bug(
        "the limits outlive the transaction",
        "catalog/times.py",
        '            f"SET LOCAL statement_timeout',
        '            f"SET statement_timeout',
        SLOW,
    ),
    bug(
        "a commit has a limit of the server",
        "catalog/times.py",
        "SET LOCAL statement_timeout = 0; COMMIT",
        "COMMIT",
        SLOW,
    ),
    bug(
        "the login limits a transaction",
        "catalog/times.py",
        '            "SET LOCAL transaction_timeout = 0"\n',
        "",
        SLOW,
    ),
    bug(
        "a commit that did not wait for its standby is a success",
        "catalog/connections.py",
        "            if _WARNING in codes:\n",
        "            if _WARNING in codes and not codes:\n",
        SLOW,
    ),
    bug(
        "a repeated put does not wait for the standby",
        "packs/flush.py",
        "            objects.lock(connection, there)\n",
        "            pass\n",
        SLOW,
    ),
    bug(
        "a server that stands still is waited for",
        "catalog/connections.py",
        "time.monotonic() > until:",
        "time.monotonic() > until + 30:",
        SLOW,
    ),
    bug(
        "a lost commit is called an error of the settings",
        "packs/outcomes.py",
        "    except (CatalogUnavailable, ConfigurationError):\n",
        "    except ConfigurationError:\n",
        "tests/faults/test_lost_commits.py",
    ),
    bug(
        "detaching waits for ever",
        "catalog/connections.py",
        "    timer.start()\n    try:\n",
        "    timer.start()\n    timer.cancel()\n    try:\n",
        SLOW,
    ),
    bug(
        "a connection that the server closed fails a transaction",
        "catalog/engine.py",
        "            stack.pop_all().close()\n",
        "            raise\n",
        LOST,
    ),
    bug(
        "a read fails with its connection",
        "catalog/engine.py",
        "                if not error.connection_invalidated:\n                    raise\n",
        "                raise\n",
        LOST,
    ),
    bug(
        "the check of one connection counts for those that are opened meanwhile",
        "catalog/engine.py",
        " or _CHECKED not in connection.info:",
        ":",
        LOST,
    ),
    bug(
        "a read that is given up goes on at the server",
        "catalog/connections.py",
        "            self.cancel_safe(timeout=_CANCEL)\n",
        "            pass\n",
        LOST,
    ),
)
