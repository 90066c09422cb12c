"""The bugs: a place in the source, what stands there, and what stands there instead."""

from dataclasses import dataclass

RACES, LATE, LIFE = (
    "tests/faults/test_races.py",
    "tests/faults/test_late_writes.py",
    "tests/integration/test_lifecycle.py",
)
COMPACTION, EXPIRY, WORKERS = (
    "tests/faults/test_compaction_races.py",
    "tests/faults/test_expiry_races.py",
    "tests/faults/test_workers.py",
)
HOLDS, HOLD_RACES, PREDICATE = (
    "tests/integration/test_holds.py",
    "tests/faults/test_hold_races.py",
    "tests/integration/test_hold_predicate.py",
)
RECOVER, LEDGER, SCRUB = (
    "tests/integration/test_recover.py",
    "tests/faults/test_ledger.py",
    "tests/integration/test_scrub.py",
)
RECOVER_HOLDS = "tests/integration/test_recover_holds.py"
RECOVER_COPIES = "tests/integration/test_recover_copies.py"
RECOVER_MOVED = "tests/integration/test_recover_moved.py"
HAND_OVER, COPIES = "tests/integration/test_hand_over.py", "tests/faults/test_copies.py"
POLICY, RETENTION, ACCESS, PLACEMENT = (
    "tests/unit/test_erasure_policy.py",
    "tests/unit/test_retention.py",
    "tests/unit/test_access.py",
    "tests/unit/test_placement.py",
)
MIDWAY = "tests/faults/test_changes_midway.py"
FALSE = "tests/faults/test_false_replicas.py"
STORY = "tests/faults/test_simulation.py"


@dataclass(frozen=True)
class Bug:
    """``tests``: where it has to be noticed."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _bug(name: str, file: str, old: str, new: str, *tests: str) -> Bug:
    return Bug(name, f"storage/{file}", old, new, tests)


BUGS = (
    _bug(
        "a fence is not checked when a flush commits",
        "packs/flush.py",
        "    fenced = fences.covering(connection, [item.fence_query() for item in pack.items])\n",
        "    fenced: dict[int, set[object]] = {}\n",
        RACES,
    ),
    _bug(
        "a flush does not hold off erasures",
        "packs/flush.py",
        "    now, new, items = region.clock.now(), pack.new, pack.items\n"
        "    share_tenants(connection, [item.tenant for item in items])\n",
        "    now, new, items = region.clock.now(), pack.new, pack.items\n",
        RACES,
    ),
    _bug(
        "an id that is too old may still be written",
        "packs/flush.py",
        "if too_old(item.id, now, region.topology.bounds)",
        "if False",
        MIDWAY,
    ),
    _bug(
        "terms that changed during a write are not seen",
        "packs/flush.py",
        "if current.get(item.tenant) != item.known.version:",
        "if False:",
        MIDWAY,
    ),
    _bug(
        "records are added to a day that is over",
        "packs/flush.py",
        "(now.date() >= day or not days.is_open(connection, day))",
        "False",
        EXPIRY,
    ),
    _bug(
        "a lost answer to a commit is a failure",
        "packs/flush.py",
        "        if not isinstance(error, CatalogUnavailable) and not disconnected(error):\n"
        "            raise\n        _after_lost_commit(region, keys, pack, error)\n"
        "        return\n",
        "        raise\n",
        "tests/faults/test_lost_commits.py",
    ),
    _bug(
        "a group's fence is not looked for in reads",
        "catalog/records.py",
        "        probe(ScopeKind.GROUP, f.value == c.grp),\n",
        "",
        LIFE,
        "tests/integration/test_api_contract.py",
        STORY,
    ),
    _bug(
        "what derives from an erased record stays readable",
        "catalog/records.py",
        "probe(ScopeKind.RECORD, f.value == func.any(own))",
        "probe(ScopeKind.RECORD, f.value == c.uid)",
        LIFE,
        STORY,
    ),
    _bug(
        "a read does not ask for fences",
        "packs/reader.py",
        "fenced=found.fenced,",
        "fenced=False,",
        LIFE,
    ),
    _bug(
        "the last moment of a record is readable",
        "policy/access.py",
        "utc(now) >= utc(readable_until)",
        "utc(now) > utc(readable_until)",
        ACCESS,
    ),
    _bug(
        "a day too long",
        "policy/retention.py",
        "    day = (moment + timedelta(days=days) - topology.bounds.purge).date()",
        "    day = (moment + timedelta(days=days)).date()",
        RETENTION,
    ),
    _bug(
        "an ended agreement is not seen",
        "policy/placement.py",
        "    if company.active(on):",
        "    if True:",
        PLACEMENT,
    ),
    _bug(
        "a late PUT is not waited for",
        "policy/erasure.py",
        "    if utc(now) <= utc(land_by):",
        "    if False:",
        POLICY,
    ),
    _bug(
        "bytes that are left count as gone",
        "policy/erasure.py",
        '    if left:\n        return Absence(done=False, reason="left")\n',
        "",
        POLICY,
    ),
    _bug(
        "a held replica may be destroyed",
        "policy/erasure.py",
        '    if held:\n        return Permit(allowed=False, reason="held")\n',
        "",
        POLICY,
        "tests/unit/test_one_predicate.py",
    ),
    _bug(
        "a day's keys may go before it is over",
        "policy/erasure.py",
        '    if what in ("key", "partition") and (day is None or moment < _midnight(day)):\n'
        '        return Permit(allowed=False, reason="day_not_over")\n',
        "",
        POLICY,
        "tests/unit/test_one_predicate.py",
    ),
    _bug(
        "a stray is purged at once",
        "policy/erasure.py",
        '    if what == "stray" and (since is None or moment < utc(since) + STRAY_GRACE):\n'
        '        return Permit(allowed=False, reason="in_grace")\n',
        "",
        SCRUB,
        "tests/unit/test_scrub_policy.py",
    ),
    _bug(
        "clocks that disagree destroy",
        "policy/erasure.py",
        "    return apart <= _APART",
        "    return True",
        "tests/integration/test_clocks_apart.py",
    ),
    _bug(
        "S3's per-key errors are ignored",
        "backends/s3/backend.py",
        'for error in answer.get("Errors", ())]',
        "for error in ()]",
        "tests/unit/test_s3_backend.py",
        "tests/contract/test_backends.py",
    ),
    _bug(
        "an object is gone with its first replica",
        "catalog/purges.py",
        "o.state == ObjectState.PURGING, ~left)",
        "o.state == ObjectState.PURGING)",
        WORKERS,
        LATE,
        LIFE,
        STORY,
    ),
    _bug(
        "a receipt before the last replica",
        "catalog/erasures.py",
        ".where(e.state == ErasureState.PURGING, ~waiting, ~at_processors)",
        ".where(e.state == ErasureState.PURGING, ~at_processors)",
        WORKERS,
        LATE,
        LIFE,
    ),
    _bug(
        "a receipt before a processor's word",
        "catalog/erasures.py",
        ".where(e.state == ErasureState.PURGING, ~waiting, ~at_processors)",
        ".where(e.state == ErasureState.PURGING, ~waiting)",
        HAND_OVER,
    ),
    _bug(
        "fences go while a write may meet them",
        "catalog/fences.py",
        ".where(f.until < now, e.state == ErasureState.COMPLETE)",
        ".where(e.state == ErasureState.COMPLETE)",
        LIFE,
        WORKERS,
        "tests/integration/test_regressions.py",
        STORY,
    ),
    _bug(
        "writers that an erasure meets are not waited for",
        "workers/erase.py",
        "        erasures.await_writers(connection, erasure)\n",
        "        pass\n",
        RACES,
        LATE,
        STORY,
    ),
    _bug(
        "what another erasure deleted is not waited for",
        "workers/erase.py",
        "    erasures.await_earlier(connection, erasure)\n",
        "",
        WORKERS,
    ),
    _bug(
        "an erasure does not wait for compactions of its packs",
        "catalog/erasures.py",
        "        o.family.in_(families), or_(",
        "        o.id.in_(objects), or_(",
        COMPACTION,
    ),
    _bug(
        "a compaction brings back what was erased meanwhile",
        "packs/compaction.py",
        "== len(starts):",
        ">= 0:",
        COMPACTION,
    ),
    _bug(
        "a key is used before it is read back",
        "packs/keyring.py",
        "sent = self._read_back(attempts, send(region, attempts, sealed, until=deadline), sealed)",
        "sent = send(region, attempts, sealed, until=deadline)",
        FALSE,
    ),
    _bug(
        "a copy is not compared with what was written",
        "workers/replicate.py",
        "                if digest.digest() == source.digest:",
        "                if True:",
        FALSE,
    ),
    _bug(
        "rows are dropped before an erasure has read them",
        "workers/expire.py",
        "    if unread or not permit.allowed:",
        "    if not permit.allowed:",
        EXPIRY,
    ),
    _bug(
        "what is being written outlives its day",
        "catalog/days.py",
        '            or_(o.state == "writing", o.state == "stored"),\n',
        '            o.state == "stored",\n',
        EXPIRY,
        LATE,
        STORY,
    ),
    _bug(
        "expiry forgets what is held",
        "catalog/days.py",
        "            ~holds.in_held_pack(o.id, day),\n",
        "",
        HOLDS,
        HOLD_RACES,
    ),
    _bug(
        "an erasure is planned while a hold is placed",
        "workers/erase.py",
        "    holds.share(connection)\n",
        "",
        HOLD_RACES,
    ),
    _bug(
        "a hold of one class keeps all",
        "catalog/holds.py",
        "        or_(h.classes.is_(None), c.data_class == any_(h.classes)),\n",
        "",
        PREDICATE,
        HOLDS,
    ),
    _bug(
        "a hold keeps what came after it",
        "catalog/holds.py",
        "        or_(h.cutoff.is_(None), c.minted <= h.cutoff),\n",
        "",
        PREDICATE,
    ),
    _bug(
        "a release resumes no erasure",
        "workers/release.py",
        "    resumed = deferrals.resume(connection, tenant, now)\n",
        "    resumed: list[object] = []\n",
        HOLDS,
    ),
    _bug(
        "an event needs no ledger",
        "packs/ledger.py",
        "        if len(sent.stored) < region.region.required:\n"
        "            raise LedgerUnwritten(sent.causes)\n",
        "",
        LEDGER,
    ),
    _bug(
        "erasures are replayed before holds",
        "events.py",
        '_ORDER = ("hold", "release", "copy", "erasure")',
        '_ORDER = ("erasure", "release", "copy", "hold")',
        RECOVER_HOLDS,
    ),
    _bug(
        "a copy of a catalog is not known by its place",
        "packs/guard.py",
        "        if seen.moved:\n            raise restored(self._region.name, seen.moved)\n",
        "",
        RECOVER,
    ),
    _bug(
        "a catalog that was set back is not known by the ledger",
        "packs/guard.py",
        "            if ledger.unknown(connection, keys):\n"
        "                raise restored(self._region.name, ())\n",
        "",
        RECOVER,
        "tests/integration/test_recovery_page.py",
    ),
    _bug(
        "a scrub purges what a forgotten hold keeps",
        "workers/repair.py",
        "    held = key.startswith(_NEVER)\n",
        "    held = key is None\n",
        SCRUB,
    ),
    _bug(
        "a receipt's place under its root is not checked",
        "evidence/receipts.py",
        "    if root_from(leaf_hash(_canonical(receipt)), proof.index, root.size, path).hex() "
        "!= root.root:",
        "    if root_from is None:",
        "tests/unit/test_receipts.py",
    ),
    _bug(
        "a hand-over does not hold off erasures",
        "packs/ledger.py",
        "            share_tenants(connection, [event.tenant])\n",
        "            pass\n",
        COPIES,
    ),
    _bug(
        "a copy is handed over before the ledger has it",
        "packs/hand_over.py",
        "    commit_event(region, new, lambda c: "
        "_permitted(region, c, spec.id, record_id, company))\n",
        "    with region.catalog.begin() as connection:\n"
        "        copies.announce(connection, new)\n",
        RECOVER_COPIES,
    ),
    _bug(
        "an erasure that was planned does not wait for a copy that is replayed",
        "catalog/copies.py",
        "    if covering:\n",
        "    if covering == set():\n",
        RECOVER_COPIES,
    ),
    _bug(
        "a receipt does not wait for what the ledger has still to tell",
        "catalog/erasures.py",
        "            .where(~exists().where(_untold()))\n",
        "",
        RECOVER_COPIES,
    ),
    _bug(
        "a pack is forgotten while rows name it",
        "catalog/purges.py",
        "            ~has_rows,\n",
        "",
        EXPIRY,
    ),
    _bug(
        "what a hold carries does not say what it is",
        "packs/carrying.py",
        "        end = ending(region, plan.new.id, "
        "Manifest(bodies=copy.digest(), rows=tuple(moved)))\n",
        "        end = b''\n",
        RECOVER_MOVED,
    ),
    _bug(
        "a restored catalog takes up what no hold covers",
        "workers/reattach.py",
        "relocation.covered_by_holds(connection, manifest.rows[start : start + _BATCH])",
        "list(manifest.rows[start : start + _BATCH])",
        RECOVER_MOVED,
    ),
    _bug(
        "a replica is believed that is not whole",
        "packs/manifest.py",
        "if bodies.digest() != manifest.bodies:",
        "if False:",
        RECOVER_MOVED,
    ),
    _bug(
        "what lies beside what was found stays",
        "workers/reattach.py",
        "None if all_of_it else now",
        "None",
        RECOVER_MOVED,
    ),
    _bug(
        "an erasure by name forgets older pseudonym keys",
        "packs/writer.py",
        "tuple(self._region.pseudonyms.all(tenant, kind, name))",
        "(self._region.pseudonyms.of(tenant, kind, name),)",
        "tests/integration/test_key_rotation.py",
    ),
    _bug(
        "a process erases with too few pseudonym keys",
        "packs/eraser.py",
        "lambda c: pseudonym_keys.check_complete(c, region.name, versions)",
        "lambda _: None",
        "tests/integration/test_key_rotation.py",
    ),
)
