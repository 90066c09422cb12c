"""Bugs of cells, of provisioning and of drains."""

from tests.mutants.bugs.bug import bug

CELLS = "tests/integration/test_cells.py"
AGAIN = "tests/integration/test_drains_again.py"
DRAIN = "tests/integration/test_cli_drain.py"
PROVISION = "tests/integration/test_provision.py"

BUGS = (
    bug(
        "two callers choose a cell at once",
        "catalog/cells.py",
        "pg_advisory_xact_lock(hashtextextended('cell_choice', 0))",
        "1",
        CELLS,
    ),
    bug(
        "a tenant is given another cell at each call",
        "catalog/cells.py",
        "    if found is not None:\n",
        "    if False:\n",
        CELLS,
    ),
    bug(
        "a bucket with the data of another is taken",
        "provisioning.py",
        "        if foreign:\n",
        "        if False:\n",
        PROVISION,
    ),
    bug(
        "a region with a bad bucket is opened",
        "provisioning.py",
        "    if closed:\n",
        "    if False:\n",
        PROVISION,
    ),
    bug(
        "a stage is noted by each process",
        "provisioning.py",
        "        if advances(now, to):\n",
        "        if True:\n",
        PROVISION,
    ),
    bug(
        "a drain is signed while copies are left",
        "draining.py",
        "    if found.copies:\n",
        "    if False:\n",
        "tests/integration/test_drains.py",
    ),
    bug(
        "a backend with another company's name is forgotten by a drain",
        "draining.py",
        "        if replicas:\n",
        "        if False:\n",
        "tests/integration/test_backends_reassigned.py",
    ),
    bug(
        "what was attested once counts for ever",
        "draining.py",
        " if is_later(one.at, [last])), None)",
        "), None)",
        AGAIN,
    ),
    bug(
        "the first receipt of a drain is given for ever",
        "draining.py",
        "        if known is not None and is_later(known[1], since):",
        "        if known is not None:",
        AGAIN,
    ),
    bug(
        "a receipt is older than what the company had since",
        "draining.py",
        "        since = [found.last, *attested,",
        "        since = [*attested,",
        AGAIN,
    ),
    bug(
        "a drain is signed while people have not handed over",
        "draining.py",
        "    if found.open_parts:\n",
        "    if False:\n",
        DRAIN,
    ),
    bug(
        "a drain is signed while the topology names the company",
        "draining.py",
        "    if still:\n",
        "    if False:\n",
        DRAIN,
    ),
    bug(
        "a bucket is made where the server likes",
        "backends/s3/creation.py",
        "    found = bucket.ask(ask)\n    if found:\n",
        "    found = bucket.ask(ask)\n    if False:\n",
        PROVISION,
    ),
)
