"""Bugs in writes and reads: flushes, keys, replicas."""

from tests.mutants.bugs.bug import (
    COMPACTION,
    EXPIRY,
    FALSE,
    LIFE,
    MIDWAY,
    PROTOCOL,
    RACES,
    STORY,
    bug,
)

BUGS = (
    bug(
        "a fence is not checked when a flush commits",
        "packs/flush.py",
        "    fenced = fences.covering(connection, [record.fence_query() for record in batch])\n",
        "    fenced: dict[int, set[object]] = {}\n",
        RACES,
    ),
    bug(
        "a flush does not hold off erasures",
        "packs/flush.py",
        "    now, new, batch = region.clock.now(), pack.write.new, pack.batch\n"
        "    share_tenants(connection, [record.tenant for record in batch])\n",
        "    now, new, batch = region.clock.now(), pack.write.new, pack.batch\n",
        RACES,
    ),
    bug(
        "an id that is too old may still be written",
        "packs/flush.py",
        "if too_old(r.id, now)",
        "if False",
        MIDWAY,
    ),
    bug(
        "terms that changed during a write are not seen",
        "packs/flush.py",
        "        if current.get(record.tenant) != record.terms.version\n",
        "        if False\n",
        MIDWAY,
    ),
    bug(
        "records are added to a day that is over",
        "packs/flush.py",
        "(now.date() >= day or not days.is_open(connection, day))",
        "False",
        EXPIRY,
    ),
    bug(
        "a lost answer to a commit is a failure",
        "packs/flush.py",
        "        if not disconnected(error):\n"
        "            raise\n"
        "        _after_lost_commit(region, keys, pack, error)\n"
        "        return\n",
        "        raise\n",
        "tests/faults/test_lost_commits.py",
    ),
    bug(
        "a group's fence is not looked for in reads",
        "catalog/records.py",
        "        by(ScopeKind.GROUP, f.value == c.grp),\n",
        "",
        LIFE,
        "tests/integration/test_api_contract.py",
        STORY,
    ),
    bug(
        "what derives from an erased record stays readable",
        "catalog/records.py",
        "by(ScopeKind.RECORD, f.value == func.any(own))",
        "by(ScopeKind.RECORD, f.value == c.uid)",
        LIFE,
        STORY,
    ),
    bug(
        "a read does not ask for fences",
        "packs/reader.py",
        "fenced=found.fenced,",
        "fenced=False,",
        LIFE,
    ),
    bug(
        "S3's per-key errors are ignored",
        "backends/s3/backend.py",
        'for error in answer.get("Errors", ())]',
        "for error in ()]",
        "tests/unit/test_s3_backend.py",
        "tests/contract/test_backends.py",
    ),
    bug(
        "a compaction brings back what was erased meanwhile",
        "packs/compact.py",
        "        if moved == len(starts):\n",
        "        if moved >= 0:\n",
        COMPACTION,
    ),
    bug(
        "a key is used before it is read back",
        "objects/keyring.py",
        "sent = self._read_back(new.send(sealed), sealed)",
        "sent = new.send(sealed)",
        FALSE,
    ),
    bug(
        "a replica is made of bytes that differ from what was written",
        "workers/replicate.py",
        "                if digest.digest() == source.digest:",
        "                if True:",
        FALSE,
    ),
    bug(
        "a write goes on after the reaper was first",
        "objects/write.py",
        "            if not objects.renew(connection, self.id, ids, until, land_by):\n"
        "                raise Abandoned\n",
        "            objects.renew(connection, self.id, ids, until, land_by)\n",
        PROTOCOL,
    ),
    bug(
        "an abandoned write is not purged",
        "objects/write.py",
        "    if known is not None and known.state is ObjectState.WRITING:\n",
        "    if known is None:\n",
        PROTOCOL,
    ),
)
