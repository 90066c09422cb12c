"""Bugs in the end of reading, in days of a record, in shortening and in floors."""

from tests.mutants.bugs.bug import bug

SHORTENING = "tests/unit/test_shortening.py"
READS = "tests/integration/test_shortened_reads.py"

BUGS = (
    bug(
        "a read goes by the day of the id alone",
        "packs/openings.py",
        "term_now(region.topology, found.retention, found.row.id)",
        "term_now(region.topology, {}, found.row.id)",
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
        "        check_kept(region.topology, record_id, new.keep_days)\n",
        "",
        READS,
    ),
)
