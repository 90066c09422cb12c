"""Bugs of a region's log: what is in the catalog is believed, or an event leaves no line."""

from tests.mutants.bugs.bug import Bug, bug, in_function

FORGED = "tests/integration/test_log_forged.py"
KEYS = "tests/integration/test_signing_keys.py"
ROOTS = "tests/unit/test_root_keys.py"
FILES = "tests/integration/test_log_files.py"
GRANTS = "tests/integration/test_grants_sql.py"

BUGS: tuple[Bug, ...] = (
    in_function(
        "an entry in the roster leaves no line",
        "  PERFORM ours.note_entry(who, most, at);\n",
        "",
        GRANTS,
    ),
    bug(
        "any checkpoint in the catalog counts",
        "catalog/checkpoints.py",
        "            if is_signed(root, trust):\n",
        "            if True:\n",
        FORGED,
    ),
    bug(
        "a signed note counts for a row of another size",
        "catalog/checkpoints.py",
        "    return alone and (tree.size, tree.root) == (root.size, root.root)\n",
        "    return alone\n",
        FORGED,
    ),
    bug(
        "a note with a line of somebody else counts",
        "catalog/checkpoints.py",
        "    return alone and (tree.size",
        "    return (tree.size",
        FORGED,
    ),
    bug(
        "what does not follow is signed",
        "transparency/sequencer.py",
        "    if [line.number for line in lines] != list(range(size, size + len(lines))):\n",
        "    if False:\n",
        FORGED,
    ),
    bug(
        "a forged row is not shown",
        "client/status.py",
        "checkpoints.count_forged(connection, region.log_trust)",
        "0",
        FORGED,
    ),
    in_function(
        "a grant is revoked without a line",
        "    PERFORM ours.note_grant('grant_revoked', which, at);\n",
        "    NULL;\n",
        GRANTS,
    ),
    in_function(
        "a line names any number of approvals",
        " ORDER BY number LIMIT 20",
        " ORDER BY number",
        GRANTS,
    ),
    in_function(
        "the salt of a line is not in its commitment",
        "'\\x00'::bytea || salted",
        "'\\x00'::bytea",
        GRANTS,
    ),
    bug(
        "a root key has no line",
        "cli/commands/key.py",
        'region=region, section="root", announce=announce',
        'region=region, section="root"',
        KEYS,
    ),
    bug(
        "a key service rotates without a line",
        "cli/commands/keyservice.py",
        'section="root", announce=announce',
        'section="root"',
        KEYS,
    ),
    bug(
        "a root key is there before its line",
        "crypto/root.py",
        "        if announce is not None:\n            announce(version)\n"
        "        keys[section][version] = _random(entropy, _SIZE)\n"
        "        _write_beside(path, _format(region, keys), owner=path.stat()).replace(path)\n"
        "        os.fsync(directory)\n",
        "        keys[section][version] = _random(entropy, _SIZE)\n"
        "        _write_beside(path, _format(region, keys), owner=path.stat()).replace(path)\n"
        "        os.fsync(directory)\n"
        "        if announce is not None:\n            announce(version)\n",
        ROOTS,
    ),
    bug(
        "each round seals a batch",
        "catalog/checkpoints.py",
        "    if last is None or _signed_by",
        "    if True or _signed_by",
        FILES,
    ),
    bug(
        "a full batch waits",
        "catalog/checkpoints.py",
        " or log.fills_batch(connection):",
        ":",
        FILES,
    ),
    bug(
        "a batch that was begun waits",
        "catalog/checkpoints.py",
        "line.number >= published_size(connection, trust)",
        "line.number < 0",
        FILES,
    ),
    in_function(
        "a text is forgotten before it is sealed",
        "at < ours.forgettable_before() AND number < signed\n",
        "at < ours.forgettable_before() AND number < 1000000\n",
        FORGED,
    ),
    bug(
        "what is not sealed is due to be forgotten",
        "catalog/log.py",
        "c.at < before, c.number < published)",
        "c.at < before, c.number.is_not(None))",
        FORGED,
    ),
    bug(
        "a text that was forgotten too early stops the log",
        "transparency/sequencer.py",
        'Opening(line.salt or _NO_SALT, line.text or "{}")',
        'Opening(line.salt or b"", line.text or "")',
        FORGED,
    ),
)
