"""Bugs in the ledger, in recovery and in evidence."""

from tests.mutants.bugs.bug import (
    COPIES,
    LEDGER,
    RECOVER,
    RECOVER_COPIES,
    RECOVER_HOLDS,
    RECOVER_MOVED,
    bug,
)

BUGS = (
    bug(
        "an event needs no ledger",
        "ledger/journal.py",
        "        if len(sent.good) < region.region.required:\n"
        "            raise LedgerUnwritten(sent.causes, _UNDONE[type(event)])\n",
        "",
        LEDGER,
    ),
    bug(
        "erasures are replayed before holds",
        "events.py",
        '    *("hold", "confirmation", "narrowing", "decision", "release"),\n'
        '    *("consent", "copy", "uses", "erasure"),\n',
        '    *("consent", "copy", "uses", "erasure"),\n'
        '    *("hold", "confirmation", "narrowing", "decision", "release"),\n',
        RECOVER_HOLDS,
    ),
    bug(
        "a restored catalog is not recognized by its identity",
        "ledger/guard.py",
        "        if seen.changed:\n            raise restored(self._region.name, seen.changed)\n",
        "",
        RECOVER,
    ),
    bug(
        "a catalog that was reset in place is not recognized by the ledger",
        "ledger/guard.py",
        "            if ledger.unknown(connection, keys):\n"
        "                raise restored(self._region.name, ())\n",
        "",
        RECOVER,
        "tests/integration/test_recovery_page.py",
    ),
    bug(
        "a hand-over does not hold off erasures",
        "ledger/journal.py",
        "            share_tenants(connection, [event.tenant])\n",
        "            pass\n",
        COPIES,
    ),
    bug(
        "a copy is handed over before the ledger has it",
        "ledger/handover.py",
        "    commit_event(region, new, "
        "lambda c: _permitted(region, c, actor, (spec.id, record_id), company))\n",
        "    with region.catalog.begin() as connection:\n"
        "        copies.announce(connection, new)\n",
        RECOVER_COPIES,
    ),
    bug(
        "a planned erasure does not wait for a replayed copy",
        "catalog/copies.py",
        "    if covering:\n",
        "    if covering == set():\n",
        RECOVER_COPIES,
    ),
    bug(
        "a receipt does not wait for unread ledger entries",
        "catalog/erasure_waits.py",
        "    return _expired_pack(), _released(), _unresolved_entry()\n",
        "    return _expired_pack(), _released()\n",
        RECOVER_COPIES,
    ),
    bug(
        "a held object has no manifest",
        "packs/relocate.py",
        "ending(region, plan.target.id, Manifest(bodies=held.digest(), rows=tuple(rows)))",
        "b''",
        RECOVER_MOVED,
    ),
    bug(
        "a restored catalog reattaches what no hold covers",
        "recovery/reattach.py",
        "relocation.covered_by_holds(connection, manifest.rows[start : start + _BATCH])",
        "list(manifest.rows[start : start + _BATCH])",
        RECOVER_MOVED,
    ),
    bug(
        "an incomplete replica is accepted",
        "packs/manifest.py",
        "if bodies.digest() != manifest.bodies:",
        "if False:",
        RECOVER_MOVED,
    ),
    bug(
        "bytes beside reattached records stay",
        "recovery/reattach.py",
        "None if all_of_it else now",
        "None",
        RECOVER_MOVED,
    ),
    bug(
        "an erasure by name misses older pseudonym keys",
        "ledger/fence.py",
        'tuple(region.pseudonyms.all(tenant, "subject", scope.value))',
        '(region.pseudonyms.of(tenant, "subject", scope.value),)',
        "tests/integration/test_key_rotation.py",
    ),
    bug(
        "a process erases with too few pseudonym keys",
        "ledger/fence.py",
        "    pseudonym_keys.check_complete(connection, region.name, region.pseudonyms.versions)\n",
        "",
        "tests/integration/test_key_rotation.py",
    ),
)
