"""Bugs by which a line of the log is not brought back, or another one takes its place."""

from tests.mutants.bugs.bug import Bug, bug, in_function

TESTS = "tests/integration/test_recover_forged.py"
LINES = "tests/integration/test_log_sql.py"
EXITS = "tests/integration/test_exits.py"
DECISIONS = "tests/integration/test_exit_decisions.py"
TREE = "tests/unit/test_tlog_tree.py"
LOG = "recovery/log.py"


def _sql(name: str, old: str, new: str, *tests: str) -> Bug:
    return in_function(name, old, new, *(tests or (TESTS,)))


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
        "l WHERE l.number = place AND l.commitment = entry) THEN\n",
        "l WHERE l.number = place AND l.commitment = entry AND l.id = line) THEN\n",
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
        "newest_known(region, connection)",
        "checkpoints.newest(connection, region.log_trust)",
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
    bug(
        "a line gets the text of one that was lost",
        LOG,
        "        kept = openings.get((number, entry))\n",
        "        kept = {n: opening for (n, _), opening in openings.items()}.get(number)\n",
        TESTS,
    ),
    bug(
        "tiles of lines that were lost hide those of the log",
        "tlog/tree.py",
        "            if _hash_of(tile, data) == expected:\n",
        "            if data:\n",
        TREE,
    ),
    bug(
        "only the first tile of a place is looked at",
        "recovery/log_objects.py",
        "        return list(dict.fromkeys(may_be))\n",
        "        return may_be[:1]\n",
        TESTS,
    ),
    bug(
        "tiles of lines that were lost are taken over",
        LOG,
        "!= data:\n            return False\n",
        "!= data:\n            return True\n",
        TESTS,
    ),
    bug(
        "a line with the id of an event stands for it",
        "catalog/log.py",
        "    return text == line.text and",
        "    return True or",
        TESTS,
    ),
    bug(
        "an event that is noted again has two lines",
        "catalog/log.py",
        "    return text == line.text and",
        "    return False and",
        TESTS,
    ),
    bug(
        "a checkpoint hides that its lines are others",
        "recovery/known.py",
        "        if (edge.size, edge.root) == (root.size, root.root):\n",
        "        if edge.size == root.size:\n",
        TESTS,
    ),
    bug(
        "a number that a login gave stops a recovery",
        LOG,
        "    log.release(connection, [n",
        "    _ = (connection, [n",
        TESTS,
    ),
    bug(
        "a line below a checkpoint says what a login wrote",
        "recovery/recover.py",
        "    report.lines += correct(region, connection, names, report.silent)\n",
        "",
        TESTS,
    ),
    bug(
        "a line counts as what it does not say",
        LOG,
        "    return line.kind is not kind or (line.at != at and at <= now)\n",
        "    return False\n",
        TESTS,
    ),
    bug(
        "a line of another text is believed",
        LOG,
        '    if commit(line.salt or b"", line.text) != line.commitment:\n        return True\n',
        '    if commit(line.salt or b"", line.text) != line.commitment:\n        return False\n',
        TESTS,
    ),
    _sql(
        "a line above a checkpoint says what a login wrote",
        "      AND (ours.line_commitment(l.salt, l.text) <> entry OR",
        "      AND (false OR",
    ),
    _sql(
        "a line counts as what it does not say, in its place",
        " OR ours.says_line(said, what, made));\n",
        ");\n",
    ),
    _sql(
        "a worker restores a text that is not that of the line",
        "IF said IS NOT NULL AND ours.line_commitment(salted, said) <> entry THEN",
        "IF false THEN",
    ),
    _sql(
        "a worker restores no text over a true one",
        "      AND (ours.line_commitment(l.salt, l.text) <> entry OR",
        "      AND (true OR",
    ),
    _sql(
        "a line of a time that lies ahead is added",
        "  PERFORM ours.check_not_ahead(NEW.at - interval '1 day');\n",
        "",
        LINES,
    ),
    _sql(
        "a line of a time that lay ahead stays so",
        "UPDATE log_line SET at = clock_timestamp() WHERE at",
        "UPDATE log_line SET at = at WHERE at",
        LINES,
    ),
    _sql(
        "a line of a time that lies ahead is restored as such",
        "      made := clock_timestamp();\n",
        "      made := made;\n",
        LINES,
    ),
    bug(
        "a line of a time that lies ahead comes back as such",
        LOG,
        "min(at, now), text, salt",
        "at, text, salt",
        TESTS,
    ),
    _sql(
        "a line that is restored has the login of who recovers",
        "VALUES (line, what, made, said, salted, entry, place, '')",
        "VALUES (line, what, made, said, salted, entry, place, session_user)",
    ),
    _sql(
        "a line that waits is not the one with its commitment",
        "  WHERE l.id = line AND l.number IS NULL AND l.commitment = entry\n",
        "  WHERE false AND l.id = line AND l.number IS NULL AND l.commitment = entry\n",
    ),
    _sql(
        "a line that was brought back has the login of who added it",
        "    UPDATE ours.log_line SET login = '' WHERE number = place AND login <> '';\n",
        "",
    ),
    _sql(
        "a recovery does not note the last step of an exit",
        "    NEW.last_exit_step := (SELECT max(number) FROM ours.exit_step);\n",
        "    NULL;\n",
        EXITS,
    ),
    bug(
        "a confirmation from before a recovery is due",
        "catalog/exits.py",
        "    counts = s.number > func.coalesce(_last_before_recovery(), 0)\n",
        "    counts = s.number > 0\n",
        DECISIONS,
    ),
    bug(
        "a confirmation from before a recovery is shown",
        "catalog/exits.py",
        "confirmed.number <= last_before:",
        "False:",
        EXITS,
    ),
    bug(
        "the lines of a log that was pruned are not looked at",
        "recovery/known.py",
        "    if edge is not None:\n",
        "    if edge is not None and not begin:\n",
        TESTS,
    ),
)
