"""Bugs in the end of reading, in days of a record, in shortening and in floors."""

from tests.mutants.bugs.bug import Bug, bug

SHORTENING = "tests/unit/test_shortening.py"
READS = "tests/integration/test_shortened_reads.py"
SHORTENED = "tests/integration/test_shortened.py"
FLOOR = "tests/integration/test_floor.py"

BUGS = (
    bug(
        "a read goes by the day of the id alone",
        "packs/openings.py",
        "term_now(region.topology, found.retention, row.id, row.origin_date)",
        "term_now(region.topology, {}, row.id, row.origin_date)",
        READS,
    ),
    bug(
        "a list shows what a shortened retention ended",
        "client/tenant.py",
        "ended=ended_before(region.topology, own, now),",
        "ended={},",
        READS,
    ),
    bug(
        "a classifier sees what a shortened retention ended",
        "packs/screen.py",
        "ended=ended)",
        "ended={})",
        READS,
    ),
    bug(
        "flags are kept of what ended while a classifier looked",
        "catalog/flags.py",
        "query = query.where(*not_ended(c, ended))",
        "query = query.where(*not_ended(c, {}))",
        READS,
    ),
    bug(
        "a longer retention gives old records more days",
        "policy/shortening.py",
        "record_id.day is not None and record_id.day <= day",
        "record_id.day is not None and record_id.day < minted.date()",
        SHORTENING,
    ),
    bug(
        "a record may be kept for longer than its tenant keeps any",
        "policy/shortening.py",
        "most is not None and keep_days > most",
        "most is not None and keep_days > most + 1",
        SHORTENING,
    ),
    bug(
        "a put may say other days than its id",
        "packs/prepare.py",
        "        check_kept(region.topology, record_id, new.keep_days, origin)\n",
        "",
        READS,
    ),
    bug(
        "an erasure of a class covers all that the tenant has of it",
        "catalog/deletions.py",
        "        return c.minted <= erasure.cutoff",
        "        return c.minted.is_not(None)",
        SHORTENED,
    ),
    bug(
        "an erasure of a class asks back copies of what has not ended",
        "catalog/deletions.py",
        "        r.uid == c.uid,\n        r.minted <= erasure.cutoff,",
        "        r.uid == c.uid,",
        SHORTENED,
    ),
    bug(
        "what a hold keeps is erased anew each day",
        "workers/shorten.py",
        "if found.free and not found.erasing",
        "if found.ended and not found.erasing",
        SHORTENED,
    ),
    bug(
        "what a hold kept is forgotten when its days are over",
        "workers/shorten.py",
        "return found.ended or (found.some and now.date() <= last)",
        "return found.some and now.date() <= last",
        SHORTENED,
    ),
    bug(
        "a shortened retention is looked at once alone",
        "workers/shorten.py",
        "return found.ended or (found.some and now.date() <= last)",
        "return found.ended",
        SHORTENED,
    ),
    bug(
        "shorter rules of the topology are not noticed",
        "catalog/shortening.py",
        "k.version != h.version, k.rules != rules)",
        "k.version != h.version)",
        SHORTENED,
    ),
    bug(
        "new terms of a tenant are not noticed",
        "catalog/shortening.py",
        "k.version != h.version, k.rules != rules)",
        "k.rules != rules)",
        SHORTENED,
    ),
    bug(
        "a second change forgets what the first one left",
        "policy/shortening.py",
        "if shorter or (changed and data_class in until):",
        "if shorter:",
        SHORTENED,
    ),
    bug(
        "an erasure takes events whose floor is not over",
        "catalog/deletions.py",
        "    return and_(found, ~_spared(c, erasure.spared_from))",
        "    return found",
        FLOOR,
    ),
    bug(
        "what an erasure leaves cannot be read",
        "catalog/records.py",
        "f.cutoff >= c.origin, ~left",
        "f.cutoff >= c.origin",
        FLOOR,
    ),
    bug(
        "a late event of an erased subject is refused",
        "packs/sealed.py",
        "event = self.id.minted if self.id.data_class is DataClass.EVENT else None",
        "event = None",
        FLOOR,
    ),
    bug(
        "an erasure does not say what it left",
        "catalog/deletions.py",
        "    if erasure.spared_from is None:\n        return 0",
        "    if erasure.spared_from is not None:\n        return 0",
        FLOOR,
    ),
    bug(
        "a tenant may set a retention below the floor",
        "policy/retention.py",
        "rule.floor_days is not None and days < topology.bounds.least(rule.floor_days)",
        "rule.floor_days is not None and days < 0",
        FLOOR,
    ),
    bug(
        "an event may have content",
        "client/validate.py",
        "if new.body and new.data_class not in CONTENT_CLASSES:",
        "if new.body and new.data_class is None:",
        FLOOR,
    ),
    Bug(
        "a floor of content loads",
        "regions/check.py",
        "    if rule.name in CONTENT_CLASSES:",
        "    if False:",
        ("tests/unit/test_topology_faults.py",),
    ),
    Bug(
        "a floor above the retention loads",
        "regions/check.py",
        "if days is not None and days < least:",
        "if days is not None and days < 0:",
        ("tests/unit/test_topology_faults.py",),
    ),
)
