"""Bugs in flags, in screening, and in what is handed over."""

from tests.mutants.bugs.bug import ACCESS, bug

FLAGS = "tests/unit/test_flags.py"
PEOPLE = "tests/unit/test_access_of_people.py"
RUNS = "tests/integration/test_screening_runs.py"
SCREENING = "tests/integration/test_screening.py"
COPIES_POLICY = "tests/unit/test_copies_policy.py"

BUGS = (
    bug(
        "a machine reads content for screening",
        "packs/openings.py",
        "        if purpose is Purpose.ABUSE_SCREENING:\n",
        "        if False:\n",
        SCREENING,
    ),
    bug(
        "a customer screens",
        "policy/access.py",
        "    Purpose.ABUSE_SCREENING: frozenset({_MACHINE}),",
        "    Purpose.ABUSE_SCREENING: frozenset({_MACHINE, _CUSTOMER}),",
        PEOPLE,
        SCREENING,
    ),
    bug(
        "a customer reads flags",
        "policy/access.py",
        "    return access if found is None else Access(found)",
        "    return access",
        ACCESS,
        SCREENING,
    ),
    bug(
        "flags of what is erased are opened",
        "packs/openings.py",
        "openable(region, found.row, term, fenced=found.fenced, terms=terms)\n    known",
        "openable(region, found.row, term, fenced=found.fenced and not flags, terms=terms)\n"
        "    known",
        SCREENING,
    ),
    bug(
        "what is erased gets a flag",
        "catalog/flags.py",
        "where(*_named(table, tenant, day), ~fenced(table))",
        "where(*_named(table, tenant, day))",
        SCREENING,
    ),
    bug(
        "what has expired gets a flag",
        "catalog/flags.py",
        "        if day is not None and (now.date() >= day or not days.is_open(connection, day)):\n"
        "            continue\n",
        "",
        SCREENING,
    ),
    bug(
        "a slow classifier is shown what is erased",
        "packs/screen.py",
        "            if seen and self._region.clock.now() >= batch.permitted_at + _FRESH:\n",
        "            if False:\n",
        SCREENING,
    ),
    bug(
        "a version speaks twice",
        "packs/screen.py",
        "kept[record_id] = self._own(before) or one.found",
        "kept[record_id] = one.found",
        SCREENING,
    ),
    bug(
        "a new version replaces what others said",
        "packs/screen.py",
        "self._sealed(one.opened, (*before, *one.found))",
        "self._sealed(one.opened, one.found)",
        SCREENING,
    ),
    bug(
        "a hold forgets flags",
        "catalog/records.py",
        '        "sealed_flags": row.sealed_flags,',
        '        "sealed_flags": None,',
        SCREENING,
    ),
    bug(
        "flags are sealed with the key of the body",
        "crypto/record.py",
        '    return hmac.digest(key, b"domicile flags 1", "sha256")',
        "    return key",
        FLAGS,
    ),
    bug(
        "corrupt bytes stop a screening",
        "packs/screen.py",
        "            except Corrupt:\n                pass",
        "            except Corrupt:\n                raise",
        RUNS,
    ),
    bug(
        "what is not flagged is handed over",
        "policy/access.py",
        '    if given.only == "flagged" and not record.flagged:\n',
        "    if False:\n",
        ACCESS,
        SCREENING,
    ),
    bug(
        "people get raw content",
        "policy/access.py",
        "    if given.form is not Form.RAW:\n",
        "    if False:\n",
        ACCESS,
    ),
    bug(
        "a form that nothing makes is handed over",
        "policy/copies.py",
        "    elif reason is None and given.form is not Form.RAW:\n",
        "    elif False:\n",
        COPIES_POLICY,
    ),
)
