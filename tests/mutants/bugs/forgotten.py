"""Bugs in what is forgotten of objections and of the roster."""

from tests.mutants.bugs.bug import Bug, in_function

TESTS = ("tests/integration/test_forgotten.py",)


def _sql(name: str, old: str, new: str) -> Bug:
    return in_function(name, old, new, *TESTS)


def _training(name: str, old: str, new: str) -> Bug:
    tests = ("tests/integration/test_training_forgotten.py",)
    return Bug(name, "migrations/versions/0037_training_forgotten.sql", old, new, tests)


BUGS: tuple[Bug, ...] = (
    *(
        _training(
            f"a use is forgotten while its record is in {table}",
            f"(SELECT FROM ours.{table} {table[0]} WHERE",
            f"(SELECT FROM ours.{table} {table[0]} WHERE false AND",
        )
        for table in ("file", "held")
    ),
    Bug(
        "no use is old enough to be forgotten",
        "storage/catalog/training.py",
        "exists().where(u.at < before)))",
        "exists().where(u.at > before)))",
        ("tests/integration/test_training_forgotten.py",),
    ),
    Bug(
        "a use is forgotten while its record is in record",
        "storage/catalog/training.py",
        "for table in (t.file, t.held, t.record)",
        "for table in (t.file, t.held)",
        ("tests/integration/test_training_forgotten.py",),
    ),
    _training(
        "a use is forgotten before an erasure has looked for it",
        "AND e.state <> 'complete'",
        "AND false",
    ),
    _training(
        "a use is forgotten that its run has not confirmed to be gone",
        "WHERE x.read_id = u.read_id AND x.uid = u.uid AND NOT EXISTS (",
        "WHERE false AND NOT EXISTS (",
    ),
    _training(
        "the evidence of a confirmation is forgotten with its record",
        "AND k.listed >= x.at AND k.confirmed < cutoff",
        "AND k.listed >= x.at",
    ),
    _training(
        "a worker forgets a use of this month",
        "least(before, ours.forgettable_before())",
        "before",
    ),
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
