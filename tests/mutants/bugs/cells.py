"""Bugs of cells, of provisioning and of drains."""

from tests.mutants.bugs.bug import bug

CELLS = "tests/integration/test_cells.py"
AGAIN = "tests/integration/test_drains_again.py"
DRAIN = "tests/integration/test_cli_drain.py"
ROOM = "tests/integration/test_cell_room.py"
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
        "a cell is chosen without the catalog that knows the choice",
        "client/cells.py",
        "place not in self._homes.names:",
        "False:",
        ROOM,
    ),
    bug(
        "a tenant that is there is given a cell",
        "client/cells.py",
        "            if there.has:\n",
        "            if False:\n",
        ROOM,
    ),
    bug(
        "a choice that came to nothing stays",
        "client/cells.py",
        "            if not there.takes:",
        "            if False:",
        ROOM,
    ),
    bug(
        "a home that names a cell is not what was chosen",
        "client/cells.py",
        "        if spec.home not in (place, given):\n",
        "        if False:\n",
        ROOM,
    ),
    bug(
        "a region of one cell has no limit",
        "client/cells.py",
        "len(cells) > 1 or cells[0].room is not None",
        "len(cells) > 1",
        ROOM,
    ),
    bug(
        "a cell that is not routable is chosen",
        "policy/cells.py",
        "self.routable and (",
        "(",
        "tests/unit/test_cells.py",
    ),
    bug(
        "a cell that retires takes tenants",
        "client/cells.py",
        "takes_tenants(stages.latest(connection))",
        "True",
        ROOM,
    ),
    bug(
        "a tenant that was refused takes room",
        "client/admin.py",
        "            self._cells.forget_unmade(spec.id, spec.home)\n",
        "",
        ROOM,
    ),
    bug(
        "a refusal forgets a tenant that is there",
        "client/cells.py",
        "            if tenants.find(connection, tenant) is None:\n",
        "            if True:\n",
        ROOM,
    ),
    bug(
        "a removed tenant takes room in its own catalog",
        "client/cells.py",
        "        cells.forget(connection, tenant, home)\n",
        "",
        ROOM,
    ),
    bug(
        "a removed tenant takes room elsewhere",
        "catalog/tenants.py",
        "    cells.forget(connection, tenant, home)\n",
        "",
        ROOM,
    ),
    bug(
        "a choice without a tenant cannot be removed",
        "client/admin.py",
        " or chosen(connection, tenant)",
        "",
        ROOM,
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
