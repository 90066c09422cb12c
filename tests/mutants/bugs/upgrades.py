"""Bugs of upgrades: code and a schema, or a topology, of different versions."""

from tests.mutants.bugs.bug import bug

UPGRADES = "tests/integration/test_upgrades.py"

BUGS = (
    bug(
        "code opens a catalog that lacks what it needs",
        "policy/revisions.py",
        "    if schema < code.needs:\n",
        "    if False:\n",
        UPGRADES,
    ),
    bug(
        "older code opens a catalog that does not support it",
        "policy/revisions.py",
        "    if int(code.revision) < oldest_code:\n",
        "    if False:\n",
        UPGRADES,
    ),
    bug(
        "init runs a migration after which the running code does not work",
        "policy/revisions.py",
        "                    break\n",
        "                    pass\n",
        UPGRADES,
    ),
    bug(
        "a catalog does not state which code works with it",
        "catalog/schema.py",
        '"oldest_code": oldest',
        '"oldest_code": 0',
        UPGRADES,
    ),
    bug(
        "a process goes on after its support ended",
        "ledger/guard.py",
        "        check_supported(self._region.name, self._region.catalog.code, seen.oldest_code)\n",
        "",
        UPGRADES,
    ),
    bug(
        "a missing column is reported as a bug",
        "catalog/refusals.py",
        "    if isinstance(cause, _NOT_THERE):\n",
        "    if False:\n",
        UPGRADES,
    ),
)
