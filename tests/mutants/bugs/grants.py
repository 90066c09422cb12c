"""Bugs of the roster and of grants: each takes one guard away."""

from tests.mutants.bugs.bug import Bug, bug, in_function

API = "tests/integration/test_grants.py"
POLICY = "tests/unit/test_grant_policy.py"
RACES = "tests/faults/test_grant_races.py"
SQL = "tests/integration/test_grants_sql.py"


def in_sql(name: str, old: str, new: str, *tests: str) -> Bug:
    """Return a bug of the functions of the catalog."""
    return in_function(name, old, new, *(tests or (SQL,)))


BUGS = (
    in_sql(
        "a requester approves the grant",
        "  IF mine.actor = given.requester THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "the user of a grant approves it",
        "  IF mine.actor = given.actor THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "an approval by whoever asked for it counts",
        " AND actor NOT IN (given.actor, given.requester)\n",
        "\n",
    ),
    in_sql(
        "a grant is used though nobody approved it",
        "    PERFORM ours.refuse_grant('not_approved');\n",
        "    NULL;\n",
    ),
    in_sql(
        "a grant is used after its end",
        "  IF at >= given.until THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "a grant is used after its revocation",
        "  IF EXISTS (SELECT FROM ours.grant_revocation WHERE grant_id = given.id) THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "a grant opens more records than it allows",
        "    PERFORM ours.refuse_grant('exhausted');\n",
        "    NULL;\n",
    ),
    in_sql(
        "the same record is counted twice",
        "  IF EXISTS (SELECT FROM ours.grant_use WHERE grant_id = which AND uid = record) THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "two uses of a grant do not wait for each other",
        "ours.access_grant WHERE id = which FOR UPDATE;",
        "ours.access_grant WHERE id = which;",
        RACES,
    ),
    in_sql(
        "somebody else uses a grant",
        "  IF who IS DISTINCT FROM given.actor\n    OR EXISTS",
        "  IF EXISTS",
    ),
    in_sql(
        "a person uses the grant of another",
        "\n    OR EXISTS (SELECT FROM ours.roster WHERE login = session_user AND actor <> who)\n"
        "    OR ours.person_of_session() <> who\n",
        "\n",
    ),
    in_sql(
        "a user whose entry has ended uses a grant",
        "  PERFORM ours.check_grounds(given.tenant, who, given.hold_id, today);\n",
        "",
    ),
    in_sql(
        "a grant outlives its hold",
        "h.id = hold AND h.released IS NULL AND ours.is_about(h, whose)",
        "h.id = hold AND ours.is_about(h, whose)",
    ),
    in_sql(
        "a grant is under the hold of another tenant",
        "h.id = hold AND h.released IS NULL AND ours.is_about(h, whose)",
        "h.id = hold AND h.released IS NULL",
    ),
    in_sql(
        "the scope of a legal grant is not that of its hold",
        "  IF hold IS NOT NULL THEN\n    SELECT",
        "  IF false THEN\n    SELECT",
    ),
    in_sql(
        "a grant is used without the customer",
        "    PERFORM ours.refuse_grant('customer_has_not_approved');\n",
        "    NULL;\n",
    ),
    in_sql(
        "terms that change after the request do not bind a grant",
        "  IF (given.customer_must_approve OR ours.customer_must_approve(given.purpose, asked))\n",
        "  IF given.customer_must_approve\n",
    ),
    in_sql(
        "terms of the request are forgotten",
        "  IF (given.customer_must_approve OR ours.customer_must_approve(given.purpose, asked))\n",
        "  IF ours.customer_must_approve(given.purpose, asked)\n",
    ),
    in_sql(
        "somebody looks for abuse where nobody may",
        "    PERFORM ours.refuse_grant('no_human_review');\n",
        "    NULL;\n",
    ),
    in_sql(
        "a person approves for a customer",
        "  IF ours.person_of_session() IS NOT NULL\n    OR EXISTS (SELECT FROM ours.roster r",
        "  IF EXISTS (SELECT FROM ours.roster r",
    ),
    in_sql(
        "the name of a person stands for a customer",
        "\n    OR EXISTS (SELECT FROM ours.roster r WHERE r.actor = who)\n",
        "\n",
    ),
    in_sql(
        "a tenant approves the grant of another",
        "  IF given.tenant <> whose THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "any time is now",
        "    PERFORM ours.refuse_grant('wrong_time');\n",
        "    NULL;\n",
    ),
    in_sql(
        "an entry counts before its first day",
        "entry.since <= today AND (entry.until",
        "(entry.until",
    ),
    in_sql(
        "an entry counts after its last day",
        "(entry.until IS NULL OR today < entry.until) AND",
        "true AND",
    ),
    in_sql(
        "a suspended person acts",
        " AND NOT entry.suspended,\n",
        ",\n",
    ),
    in_sql(
        "a machine acts for a person",
        "NOT ours.in_force(entry, today)\n    OR entry.kind = 'machine'\n",
        "NOT ours.in_force(entry, today)\n",
    ),
    in_sql(
        "a former login acts",
        "  IF entry.login IS DISTINCT FROM session_user::text OR NOT",
        "  IF NOT",
    ),
    in_sql(
        "the oldest entry counts",
        "WHERE actor = who ORDER BY number DESC LIMIT 1",
        "WHERE actor = who ORDER BY number LIMIT 1",
    ),
    in_sql(
        "anybody keeps the roster",
        "    IF mine.role <> 'roster_keeper' THEN\n",
        "    IF false THEN\n",
    ),
    in_sql(
        "anybody owns the catalog",
        "  IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN\n",
        "  IF false THEN\n",
    ),
    in_sql(
        "a keeper gives its own login to another actor",
        "  IF its_login = session_user\n    OR EXISTS",
        "  IF EXISTS",
    ),
    in_sql(
        "a keeper makes an entry about himself",
        "\n    OR EXISTS (SELECT FROM ours.roster WHERE login = session_user AND actor = who)\n",
        "\n",
    ),
    in_sql(
        "two actors have one login",
        "    PERFORM ours.refuse_grant('login_taken');\n",
        "    NULL;\n",
    ),
    in_sql(
        "two entries at once get one login",
        "  PERFORM pg_advisory_xact_lock(hashtextextended('roster', 0));\n  IF NOT pg_has_role(",
        "  IF NOT pg_has_role(",
        RACES,
    ),
    in_sql(
        "a grant lasts two days",
        "until - requested <= interval '24 hours'",
        "until - requested <= interval '48 hours'",
    ),
    in_sql(
        "a contractor needs no agreement",
        "CHECK (kind <> 'contractor' OR agreement IS NOT NULL)",
        "CHECK (true)",
    ),
    Bug(
        "everybody may call the functions",
        "migrations/versions/0019_grants.py",
        'op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")',
        "pass",
        (SQL,),
    ),
    Bug(
        "an admin approves for a customer",
        "migrations/versions/0019_grants.py",
        '"approve_grant_for_customer(uuid, text, text, timestamptz)": SERVICE,',
        '"approve_grant_for_customer(uuid, text, text, timestamptz)": f"{SERVICE}, {ADMIN}",',
        (SQL,),
    ),
    bug(
        "two entries at once are one too many",
        "client/roster.py",
        "        roster.own(connection)\n",
        "",
        RACES,
    ),
    bug(
        "the roster has no maximum",
        "policy/grants.py",
        "may_act and others >= staff_max",
        "may_act and others > staff_max",
        POLICY,
        API,
    ),
    bug(
        "somebody outside of the residency reads",
        "policy/grants.py",
        "or user.location not in residency.jurisdictions",
        "",
        POLICY,
        API,
    ),
    bug(
        "people of a company that is objected to read",
        "policy/grants.py",
        "    if user.employer in objections:",
        "    if False:",
        POLICY,
        API,
    ),
    bug(
        "the justification is kept in the open",
        "client/grants.py",
        "sealed = seal_name(\n            region.roots, region.entropy, spec.justification, "
        "justification_context(new)\n        )",
        "sealed = spec.justification.encode()",
        API,
    ),
    bug(
        "what an approver signs leaves out how many records",
        "evidence/grants.py",
        '        "records_max": grant.records_max,\n',
        "",
        API,
    ),
)
