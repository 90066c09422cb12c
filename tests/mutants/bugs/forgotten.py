"""Bugs in what is forgotten of objections and of the roster."""

from tests.mutants.bugs.bug import Bug

TESTS = ("tests/integration/test_forgotten.py",)


def _sql(name: str, old: str, new: str) -> Bug:
    return Bug(name, "migrations/versions/0032_forgotten.sql", old, new, TESTS)


BUGS: tuple[Bug, ...] = (
    _sql(
        "an objection in force is forgotten with an older one",
        "    WHERE o.tenant = e.tenant AND o.company = e.company AND o.number <= e.last",
        "    WHERE o.tenant = e.tenant AND o.company = e.company",
    ),
    _sql(
        "an objection of a removed tenant never ends",
        "  INSERT INTO ours.objection (kind, tenant, company, actor, ticket, at)\n"
        "  SELECT 'withdrawn', whose, company, session_user, 'tenant removed', clock_timestamp()\n"
        "  FROM ours.objection_in_force WHERE tenant = whose;\n",
        "",
    ),
    _sql(
        "a worker forgets an objection of this month",
        "at < least(before, ours.forgettable_before())",
        "at < before",
    ),
    _sql(
        "an entry that ended before it was made lets an older one count again",
        "greatest(e.entered, least(e.replaced, e.suspended, e.until))",
        "least(e.replaced, e.suspended, e.until)",
    ),
    _sql(
        "an entry that counts is forgotten by its age",
        "      AND num_nonnulls(e.replaced, e.suspended, e.until) > 0\n",
        "",
    ),
    _sql(
        "the newest entries are forgotten first",
        "ORDER BY e.number LIMIT most",
        "ORDER BY e.number DESC LIMIT most",
    ),
)
