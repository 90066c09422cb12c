"""Bugs of the end of a tenant, and of a region."""

from tests.mutants.bugs.bug import bug

REMOVE = "tests/integration/test_tenant_remove.py"
REMOVAL = "tests/faults/test_removal_races.py"
RETIRE = "tests/integration/test_region_retire.py"
RETIREMENT = "tests/faults/test_retirement_races.py"
EXPORT = "tests/integration/test_receipt_export.py"
FORMER = "tests/integration/test_region_retire_former.py"

BUGS = (
    bug(
        "a tenant is removed with what it has",
        "catalog/tenants.py",
        "    TenantEnd(tenant, remains.of_tenant(connection, tenant)).demand()\n",
        "",
        REMOVE,
    ),
    bug(
        "a removal does not wait for writes",
        "client/admin.py",
        "            own_tenant(connection, tenant)\n",
        "",
        REMOVAL,
    ),
    bug(
        "a tenant that is made again has the terms of the old one",
        "catalog/tenants.py",
        "version=_FIRST",
        "version=1",
        REMOVAL,
    ),
    bug(
        "an erasure or a hold of nobody is true",
        "ledger/fence.py",
        "    tenants.check_known(connection, tenant)\n",
        "",
        REMOVAL,
    ),
    bug(
        "other regions remember a tenant that was removed",
        "client/cells.py",
        "                tenants.forget_elsewhere(elsewhere, tenant, home)\n",
        "                pass\n",
        REMOVE,
    ),
    bug(
        "a tenant that is made again is not known elsewhere",
        "client/admin.py",
        "        if new:  #",
        "        if False:  #",
        REMOVAL,
    ),
    bug(
        "a region that retires takes tenants",
        "catalog/tenants.py",
        "        check_takes_tenants(spec.home, stages.latest(connection))\n",
        "",
        RETIRE,
    ),
    bug(
        "a tenant comes while the end begins",
        "catalog/tenants.py",
        "        stages.share(connection)\n",
        "",
        RETIREMENT,
    ),
    bug(
        "a region ends with holds in force",
        "catalog/remains.py",
        '        "holds_in_force": (h.tenant, h.released.is_(None)),\n',
        "",
        RETIRE,
    ),
    bug(
        "a region ends although a ledger is unread",
        "catalog/remains.py",
        "if unread else {})",
        "if False else {})",
        RETIRE,
    ),
    bug(
        "a region ends before its receipts are exported",
        "catalog/remains.py",
        "t.receipt.c.exported.is_(None)",
        "t.receipt.c.exported.is_not(None)",
        RETIRE,
    ),
    bug(
        "a restored catalog ends its region",
        "retirement.py",
        "    guard_catalog(opened, log)\n",
        "",
        RETIRE,
    ),
    bug(
        "a region is signed without a look at its backends",
        "retirement.py",
        "        if not control.is_alone(region, name):\n",
        "        if False:\n",
        RETIRE,
    ),
    bug(
        "a region is signed with a control on a backend",
        "retirement.py",
        "    left = remains.of_region(connection) | remains.own(connection)\n",
        "    left = remains.of_region(connection)\n",
        RETIRE,
    ),
    bug(
        "a region is signed while something is announced",
        "retirement.py",
        "    stages.stop_announcing(connection)\n",
        "",
        RETIREMENT,
    ),
    bug(
        "bytes come to a region that was signed",
        "catalog/stages.py",
        ".where(retired.is_not(True))",
        "",
        RETIRE,
    ),
    bug(
        "the head of the ledger is forgotten",
        "retirement.py",
        "    retirements.note_head(connection, head)\n",
        "",
        RETIRE,
    ),
    bug(
        "a receipt is noted as exported before its file is there",
        "cli/commands/receipt_export.py",
        "            _write(page, directory)\n            with catalog.begin() as connection:\n"
        "                exports.mark(connection, page, os.urandom)\n",
        "            with catalog.begin() as connection:\n"
        "                exports.mark(connection, page, os.urandom)\n"
        "            _write(page, directory)\n",
        EXPORT,
    ),
    bug(
        "a file is noted as exported before it is on the disk for good",
        "cli/commands/receipt_export.py",
        "force=True)\n    files.sync_directory(directory)\n",
        "force=True)\n",
        EXPORT,
    ),
    bug(
        "only the first page is exported again",
        "cli/commands/receipt_export.py",
        "        last = page[-1]\n",
        "        return\n",
        EXPORT,
    ),
    bug(
        "a lost export is not noticed",
        "cli/commands/receipt_export.py",
        "        if each.before and not every:\n",
        "        if False:\n",
        EXPORT,
    ),
    bug(
        "a region ends although a backend that its topology lacks was never seen empty",
        "retirement.py",
        "    for name in unseen:",
        "    for name in ():",
        FORMER,
    ),
    bug(
        "a backend that has bytes and whose agreement begins anew is not listed",
        "retirement.py",
        "Standing.NOT_YET and name not in stored",
        "Standing.NOT_YET",
        FORMER,
    ),
)
