"""Bugs by which a line of the log is not brought back, or another one takes its place."""

from tests.mutants.bugs.bug import Bug, bug

TESTS = "tests/integration/test_recover_forged.py"
LOG = "recovery/log.py"


def _sql(name: str, old: str, new: str) -> Bug:
    return Bug(name, "migrations/versions/0040_restored_lines.sql", old, new, (TESTS,))


BUGS: tuple[Bug, ...] = (
    _sql("a line whose id is taken is not brought back", "    EXIT WHEN FOUND;\n", "    EXIT;\n"),
    _sql(
        "any line replaces one that waits",
        "    WHERE l.number IS NULL AND (l.commitment = entry OR l.text = said);\n",
        "    WHERE l.number IS NULL;\n",
    ),
    _sql("a line that was noted again is there twice", " OR l.text = said);", ");"),
    _sql(
        "a line of a batch that was begun is brought back twice",
        "WHERE l.number = place AND l.commitment = entry)",
        "WHERE l.number = place AND l.commitment = entry AND l.id = line)",
    ),
    _sql(
        "a line gets a number that a checkpoint has",
        "  IF signed > following\n    OR EXISTS",
        "  IF EXISTS",
    ),
    bug(
        "a lack of lines is not looked for before a batch",
        "transparency/sequencer.py",
        "        if log.following(connection) < size:\n",
        "        if False:\n",
        TESTS,
    ),
    bug(
        "a recovery that lacks a line is accepted",
        LOG,
        "    if log.entries(connection, known.size) != expected:\n",
        "    if False:\n",
        TESTS,
    ),
    bug(
        "a checkpoint hides that its lines are lacking",
        LOG,
        "checkpoints.newest_whole(",
        "checkpoints.newest(",
        TESTS,
    ),
    bug("a deep text stops a recovery", LOG, " RecursionError,", "", TESTS),
    bug("a text of no year stops a recovery", LOG, ", InvalidRequest):", "):", TESTS),
    bug(
        "a text of a time that no line has stops a recovery",
        LOG,
        "    return (line, kind, at) if log.EARLIEST <= at < log.LATEST else None\n",
        "    return line, kind, at\n",
        TESTS,
    ),
    bug(
        "the id of a lost line is chosen with its entry",
        LOG,
        "UUID(bytes=digest[:16])",
        "UUID(bytes=entry[1:17])",
        TESTS,
    ),
)
