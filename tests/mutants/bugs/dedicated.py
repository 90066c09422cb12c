"""Bugs of backends that are dedicated to tenants."""

from tests.mutants.bugs.bug import bug

DEDICATED = "tests/integration/test_dedicated.py"
POLICY = "tests/unit/test_dedicated.py"

BUGS = (
    bug(
        "a verdict names a backend that is dedicated to another tenant",
        "policy/placement.py",
        "        if spec.reserved(tenant):\n            continue\n",
        "",
        POLICY,
    ),
    bug(
        "a tenant with backends of its own is put on the shared ones too",
        "policy/placement.py",
        "    wanted, own = 0, region.dedicates(tenant)\n",
        "    wanted, own = 0, False\n",
        POLICY,
    ),
    bug(
        "a tenant with backends of its own shares packs",
        "packs/prepare.py",
        "spec.dedicated or own_pack or self._region.region.dedicates(spec.id)",
        "spec.dedicated or own_pack",
        DEDICATED,
    ),
    bug(
        "a tenant with backends of its own shares day keys",
        "objects/keyring.py",
        "        own = terms.own_day_keys or self._region.region.dedicates(tenant)\n",
        "        own = terms.own_day_keys\n",
        DEDICATED,
    ),
    bug(
        "what is written again may go to any backend",
        "objects/places.py",
        "    places = region.region.places_of(tenant)\n",
        "    places = region.region.backends\n",
        DEDICATED,
    ),
    bug(
        "what is written again of a tenant goes to the shared backends",
        "objects/places.py",
        "    places = region.region.places_of(tenant)\n",
        "    places = region.region.places_of(None)\n",
        DEDICATED,
    ),
    bug(
        "the ledger goes to dedicated backends",
        "ledger/journal.py",
        "            shared(region),\n            send_to=send_to,",
        "            region.lawful(),\n            send_to=send_to,",
        DEDICATED,
    ),
    bug(
        "the ledger is sent to dedicated backends",
        "ledger/places.py",
        "for name in shared(region)}",
        "for name in region.lawful()}",
        DEDICATED,
    ),
    bug(
        "a dedicated backend tells that the catalog was not restored",
        "ledger/guard.py",
        "for s in self._region.region.places_of(None)]",
        "for s in self._region.region.backends]",
        DEDICATED,
    ),
    bug(
        "a scrub leaves what is where its tenant may not be",
        "workers/scrub/repair.py",
        "        return bool(without(self.region, tenant, [self.backend], frozenset())) and (",
        "        return (",
        DEDICATED,
    ),
    bug(
        "a backend that others use is dedicated",
        "catalog/dedications.py",
        "    if wrong:\n",
        "    if False:\n",
        DEDICATED,
    ),
    bug(
        "a backend with ledger entries is dedicated",
        "catalog/dedications.py",
        "(ObjectKind.DAY_KEY, ObjectKind.LEDGER)",
        "(ObjectKind.DAY_KEY,)",
        DEDICATED,
    ),
    bug(
        "what was compacted since a backup is taken for shared",
        "recovery/reattach.py",
        "    tenant = owners.pop() if len(owners) == 1 else None\n",
        "    tenant = rows[0].tenant if rows else None\n",
        DEDICATED,
    ),
    bug(
        "a region in which one tenant cannot write is not blocked",
        "client/status.py",
        "blocked=min(fit) <",
        "blocked=max(fit) <",
        DEDICATED,
    ),
    bug(
        "shared backends count for a dedicated one that retires",
        "policy/standing.py",
        "for spec in region.places_of(tenant))",
        "for spec in region.backends)",
        "tests/unit/test_standing.py",
    ),
    bug(
        "what a change means for others is said of a tenant with its own",
        "policy/what_if.py",
        "        own = tenant.id if any(tenant.id in some for some in owners) else None\n",
        "        own = None\n",
        "tests/unit/test_what_if.py",
    ),
    bug(
        "places of others count when a tenant objects",
        "policy/objection.py",
        "        for spec in region.places_of(tenant)\n",
        "        for spec in region.backends\n",
        "tests/unit/test_objection.py",
    ),
)
