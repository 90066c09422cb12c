"""Bugs in the decisions of the policy."""

from tests.mutants.bugs.bug import ACCESS, PLACEMENT, POLICY, RETENTION, SCRUB, bug

BUGS = (
    bug(
        "the last moment of a record is readable",
        "policy/access.py",
        "now >= utc(record.readable_until)",
        "now > utc(record.readable_until)",
        ACCESS,
    ),
    bug(
        "a day too long",
        "policy/retention.py",
        "    return (begins + timedelta(days=days) - bounds.purge).date()",
        "    return (begins + timedelta(days=days)).date()",
        RETENTION,
    ),
    bug(
        "an ended agreement is not seen",
        "policy/placement.py",
        "    if company.active(on):",
        "    if True:",
        PLACEMENT,
    ),
    bug(
        "a late PUT is not waited for",
        "policy/erasure.py",
        "    if utc(now) <= utc(land_by):",
        "    if False:",
        POLICY,
    ),
    bug(
        "bytes that are left count as gone",
        "policy/erasure.py",
        "    if left:\n        return Absence(AbsenceReason.LEFT)\n",
        "",
        POLICY,
    ),
    bug(
        "a held replica may be destroyed",
        "policy/erasure.py",
        "    if held:\n        return Destruction(DestroyReason.HELD)\n",
        "",
        POLICY,
        "tests/unit/test_one_predicate.py",
    ),
    bug(
        "a day's keys may go before it is over",
        "policy/erasure.py",
        '    if what in ("key", "partition") and (day is None or moment < _midnight(day)):\n'
        "        return Destruction(DestroyReason.DAY_NOT_OVER)\n",
        "",
        POLICY,
        "tests/unit/test_one_predicate.py",
    ),
    bug(
        "an orphan is purged at once",
        "policy/erasure.py",
        '    if what == "orphan" and (since is None or moment < utc(since) + ORPHAN_GRACE):\n'
        "        return Destruction(DestroyReason.IN_GRACE)\n",
        "",
        SCRUB,
        "tests/unit/test_scrub_policy.py",
    ),
    bug(
        "clocks that disagree destroy",
        "policy/erasure.py",
        "    return apart <= _CLOCK_TOLERANCE",
        "    return True",
        "tests/integration/test_clocks_apart.py",
    ),
)
