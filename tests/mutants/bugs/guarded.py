"""Bugs in what guards the log, holds, grants and the roster against what a login may say."""

from tests.mutants.bugs.bug import Bug, bug

TESTS = "tests/integration/test_guarded.py"


def _sql(name: str, old: str, new: str) -> Bug:
    return Bug(name, "migrations/versions/0034_guarded.sql", old, new, (TESTS,))


BUGS: tuple[Bug, ...] = (
    bug(
        "a grant of before a recovery opens",
        "recovery/recover.py",
        "    report.revoked = grants.revoke_of_before(connection, region.clock.now())\n",
        "",
        TESTS,
    ),
    bug(
        "a forged lease stops the log",
        "catalog/checkpoints.py",
        "s.holder == holder, forged)",
        "s.holder == holder)",
        TESTS,
    ),
    bug(
        "a line that says nothing stops a recovery",
        "recovery/log.py",
        "(ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidRequest):",
        "UnicodeError:",
        TESTS,
    ),
    _sql(
        "a grant that recovery revokes leaves no line",
        "    PERFORM ours.note_grant('grant_revoked', which, given);\n",
        "",
    ),
    _sql(
        "a hold is placed in the future",
        "  PERFORM ours.check_not_ahead((new ->> 'placed')::timestamptz);\n",
        "",
    ),
    _sql(
        "a login says without a line that the catalog is restored",
        "  PERFORM ours.add_log_line('recovery', '{\"begun\": 1}', clock_timestamp());\n",
        "",
    ),
    _sql(
        "a backend that is to be read again counts as no recovery",
        "(NEW.identity IS NULL OR NEW.unread <> '{}')",
        "NEW.identity IS NULL",
    ),
    _sql(
        "the agreement of a contractor is any text",
        "IF entry.agreement !~ '^[0-9a-f]{64}$' THEN",
        "IF false THEN",
    ),
)
