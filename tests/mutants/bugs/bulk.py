"""Bugs in what makes bulk writes cheap."""

from tests.mutants.bugs.bug import bug

ANSWERS = "tests/unit/test_answers.py"
ENTROPY = "tests/unit/test_entropy_pool.py"
COPIED = "tests/integration/test_copied_rows.py"
POSTURE = "tests/unit/test_posture.py"
PAGES = "tests/integration/test_pages_of_subjects.py"

TENANTS = "tests/integration/test_cached_tenants.py"

BUGS = (
    bug(
        "the cache of tenants has no bound",
        "client/homes.py",
        "if len(self._cache) > _MOST:",
        "if False:",
        TENANTS,
    ),
    bug(
        "the cache of tenants drops one that is in use",
        "client/homes.py",
        "                self._cache.move_to_end(tenant)\n",
        "",
        TENANTS,
    ),
    bug(
        "the cache of tenants reads each alone",
        "client/homes.py",
        "                self._read_others(tenant, served, connection)\n",
        "                pass\n",
        TENANTS,
    ),
    bug(
        "the cache of tenants reads idle ones for ever",
        "client/homes.py",
        "        due = self.used and self.read <= before",
        "        due = self.read <= before",
        TENANTS,
    ),
    bug(
        "a tenant that could not be read is left to itself",
        "client/homes.py",
        "            if cached is not None:\n                cached.again = False\n",
        "            pass\n",
        TENANTS,
    ),
    bug(
        "tenants that could not be read together are left to themselves",
        "client/homes.py",
        "            for known in others.values():\n                known.again = False\n",
        "            pass\n",
        TENANTS,
    ),
    bug(
        "each thread reads all tenants again",
        "client/homes.py",
        "                known.again = True  # else",
        "                pass  # else",
        TENANTS,
    ),
    bug(
        "the cache of tenants takes what was dropped meanwhile",
        "client/homes.py",
        "if self._cache.get(name) is others[name]:",
        "if True:",
        TENANTS,
    ),
    bug(
        "one tenant that cannot be read hinders others in the cache of tenants",
        "client/homes.py",
        "except ValueError:",
        "except KeyError:",
        TENANTS,
    ),
    bug(
        "a record is found by the first id of its idempotency key alone",
        "catalog/records.py",
        "            if known.row.id.data_class is classes[row.tenant, row.uid]:\n",
        "            if known.row.id in {i for _, i in some}:\n",
        "tests/integration/test_regressions.py",
    ),
    bug(
        "a page of a subject sorts all of its records",
        "catalog/records.py",
        "        connection.execute(_IN_ORDER)\n",
        "        pass\n",
        PAGES,
    ),
    bug(
        "a page reads all versions of a pseudonym as one",
        "catalog/records.py",
        "        [replace(narrow, subjects=(one,)) for one in narrow.subjects]\n",
        "        ([narrow] if narrow.subjects else [])\n",
        PAGES,
    ),
    bug(
        "a second answer counts",
        "packs/answers.py",
        "        if self._answer is not None:\n            raise InvalidStateError\n",
        "",
        ANSWERS,
    ),
    bug(
        "a caller who waits for an answer is not woken",
        "packs/answers.py",
        "                waiter.changed.notify_all()\n",
        "                pass\n",
        ANSWERS,
    ),
    bug(
        "a forked process waits for ever",
        "packs/answers.py",
        "            check_process(waiter.process)\n",
        "",
        ANSWERS,
    ),
    bug(
        "who asks after the answer is not told",
        "packs/answers.py",
        "        if self._answer is not None:\n            notify()\n",
        "",
        ANSWERS,
    ),
    bug(
        "a forked process gives the random bytes of its parent",
        "crypto/entropy.py",
        " or own.process != os.getpid()",
        "",
        ENTROPY,
    ),
    bug(
        "random bytes are given twice",
        "crypto/entropy.py",
        "        own.at = begin + size\n",
        "        own.at = begin\n",
        ENTROPY,
    ),
    bug(
        "threads share a block of random bytes",
        "crypto/entropy.py",
        "class _Own(threading.local):",
        "class _Own:",
        ENTROPY,
    ),
    bug(
        "a copied row is of another day",
        "catalog/copying.py",
        "                record_id.day.toordinal() - _DAY_ZERO,\n",
        "                record_id.day.toordinal() - _DAY_ZERO + 1,\n",
        COPIED,
    ),
    bug(
        "a copied row loses its origin",
        "catalog/copying.py",
        "minted if row.origin is record_id.minted else _microseconds(row.origin)",
        "minted",
        COPIED,
    ),
    bug(
        "a posture is believed past midnight",
        "policy/posture.py",
        "    return min(known.read + POSTURE_REFRESH, tomorrow)\n",
        "    return known.read + POSTURE_REFRESH\n",
        POSTURE,
    ),
    bug(
        "a posture is not read again while writes go on",
        "policy/posture.py",
        "    return min(known.read + POSTURE_REFRESH, tomorrow)\n",
        "    return tomorrow\n",
        POSTURE,
    ),
    bug(
        "fences are looked at only if the newest record is old enough",
        "packs/flush.py",
        "    oldest = min(record.lineage.origin for record in batch)\n",
        "    oldest = max(record.lineage.origin for record in batch)\n",
        "tests/integration/test_shared_packs.py",
    ),
)
