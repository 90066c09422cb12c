"""Bugs in what is recorded of agreements, in what they permit, and in the end of a contract."""

from tests.mutants.bugs.bug import Bug, bug, in_function

POLICY = "tests/unit/test_agreements_policy.py"
HISTORY = "tests/integration/test_agreements.py"
SQL = "tests/integration/test_agreements_sql.py"
DECISIONS = "tests/integration/test_exit_decisions.py"
EXITS = "tests/integration/test_exits.py"


def _sql(name: str, old: str, new: str, *tests: str) -> Bug:
    return Bug(name, "migrations/versions/0027_agreements.sql", old, new, tests or (SQL,))


def _lapse(name: str, old: str, new: str, *tests: str) -> Bug:
    return in_function(name, old, new, *(tests or (SQL,)))


def _stays(name: str, old: str, new: str) -> Bug:
    return Bug(name, "migrations/versions/0044_lapsed_stays.sql", old, new, (EXITS,))


BUGS: tuple[Bug, ...] = (
    bug(
        "a day that is asked about has the agreements of today",
        "client/explaining.py",
        "for_return_alone(topology, terms.spec, day)",
        "for_return_alone(topology, terms.spec, now.date())",
        "tests/integration/test_agreements.py",
    ),
    bug(
        "what is superseded stays in force",
        "policy/agreements.py",
        "if entry.id not in replaced]",
        "if True]",
        POLICY,
    ),
    bug(
        "the past is told as it is known today",
        "policy/agreements.py",
        "if at is None or entry.recorded <= at]",
        "if True]",
        POLICY,
    ),
    bug(
        "a signature may lie ahead",
        "policy/agreements.py",
        "    if new.signed > today:\n",
        "    if False:\n",
        POLICY,
    ),
    bug(
        "an agreement is older than the operator",
        "policy/agreements.py",
        "if founded is not None and min(new.signed, new.begins) < founded:",
        "if False:",
        POLICY,
        HISTORY,
    ),
    bug(
        "an agreement ends before it begins",
        "policy/agreements.py",
        "(new.until - new.begins).days < shortest:",
        "False:",
        POLICY,
    ),
    bug(
        "a BAA needs no enterprise agreement",
        "policy/agreements.py",
        'if new.kind == "baa" and not shortened and not',
        "if False and not",
        POLICY,
    ),
    bug(
        "terms from before an end undo it",
        "policy/agreements.py",
        "        if any(entry.agreement.until == new.until for entry in same):\n",
        "        if any(e.agreement.until == new.until for e in current(same)):\n",
        POLICY,
        HISTORY,
    ),
    bug(
        "the trait asks for nothing",
        "policy/agreements.py",
        "        wanted |= PHI_AGREEMENTS\n",
        "        pass\n",
        POLICY,
    ),
    bug(
        "the trait asks for no BAA of sub-processors",
        "policy/agreements.py",
        "return Trait.PHI in tenant.traits or asked",
        "return asked",
        POLICY,
    ),
    bug(
        "a residency that names a BAA asks for none of sub-processors",
        "policy/agreements.py",
        "return Trait.PHI in tenant.traits or asked",
        "return Trait.PHI in tenant.traits",
        "tests/integration/test_hipaa_moves.py",
    ),
    bug(
        "a host without a BAA gets health information",
        "policy/placement.py",
        "lacks = phi and not company.takes_phi(on)",
        "lacks = False",
        POLICY,
    ),
    bug(
        "a steward without a BAA gets health information",
        "policy/placement.py",
        "if holds_phi(topology, tenant) and not company.takes_phi(on):",
        "if False:",
        POLICY,
    ),
    bug(
        "a processor without a BAA gets health information",
        "policy/copies.py",
        "holds_phi(topology, tenant) and not company.takes_phi(on):",
        "False:",
        POLICY,
    ),
    bug(
        "health information is moved to a company without a BAA",
        "objects/places.py",
        "    if lacking and agreements.has_phi(",
        "    if False and agreements.has_phi(",
        "tests/integration/test_hipaa_moves.py",
    ),
    bug(
        "held health information is moved to a company without a BAA",
        "packs/relocate.py",
        "    if lacking and agreements.is_for_phi(",
        "    if False and agreements.is_for_phi(",
        "tests/integration/test_hipaa_moves.py",
    ),
    bug(
        "it is opened for everything after the agreement has ended",
        "policy/access.py",
        "record.to_return and purpose not in AFTER_THE_END",
        "False",
        HISTORY,
    ),
    bug(
        "an agreement to be returned alone is not asked for",
        "policy/agreements.py",
        "    return not any(one.kind == DPA and one.in_force(on) for one in tenant.agreements)\n",
        "    return False\n",
        POLICY,
    ),
    bug(
        "a stopped exit is resolved from the ledger",
        "ledger/journal.py",
        "        if choice is not None:",
        "        if False:",
        EXITS,
    ),
    bug(
        "an exit is not decided in its transaction",
        "workers/exits.py",
        "exits.begin(connection, found.id, region.clock.now())).demand()",
        "exits.begin(connection, found.id, region.clock.now()))",
        EXITS,
    ),
    _lapse(
        "raw SQL signs in the future",
        "  IF signature > today THEN\n",
        "  IF false THEN\n",
    ),
    _lapse(
        "raw SQL records a BAA alone",
        "IF what = 'baa' AND NOT shortened AND NOT EXISTS (",
        "IF false AND NOT EXISTS (",
    ),
    _lapse(
        "raw SQL replaces a BAA alone",
        "IF what = 'baa' AND NOT shortened AND NOT EXISTS (",
        "IF what = 'baa' AND replaced IS NULL AND NOT EXISTS (",
    ),
    _lapse(
        "raw SQL keeps a BAA that is to end",
        "IF what = 'baa' AND NOT shortened AND NOT EXISTS (",
        "IF what = 'baa' AND NOT EXISTS (",
    ),
    _lapse(
        "a BAA without an end replaces one that has ended",
        "coalesce(last_day, 'infinity') <= old.until",
        "last_day <= old.until",
    ),
    _lapse(
        "a renewal lets no choice lapse in SQL",
        "  IF ours.has_lapsed(given, today) THEN\n    RETURN 'lapsed';",
        "  IF false THEN\n    RETURN 'lapsed';",
    ),
    _lapse(
        "a lapsed choice is confirmed",
        "  IF ours.has_lapsed(given, today) THEN\n    PERFORM",
        "  IF false THEN\n    PERFORM",
    ),
    bug(
        "a replaced choice is said to be confirmed",
        "client/exits.py",
        "if before.state is unless and newest:",
        "if before.state is unless:",
        EXITS,
    ),
    bug(
        "the choice of a tenant without agreement is not carried out",
        "catalog/exits.py",
        "over = ~agreements.in_force_or_ahead(c.tenant, today)",
        "over = c.tenant.in_(agreements.ended(today))",
        DECISIONS,
    ),
    bug(
        "the choice of a tenant without agreement is never overdue",
        "catalog/exits.py",
        "over = or_(h.id.in_(agreements.ended(today)), chosen)",
        "over = h.id.in_(agreements.ended(today))",
        EXITS,
    ),
    _stays(
        "a renewal that is forgotten revives a choice",
        "WHERE c.lapsed IS NULL AND ours.has_lapsed(c, (clock_timestamp()",
        "WHERE false AND ours.has_lapsed(c, (clock_timestamp()",
    ),
    bug(
        "a renewal lets no choice lapse",
        "catalog/exits.py",
        "_confirmed(), over, ~_lapsed(today))",
        "_confirmed(), over)",
        DECISIONS,
    ),
    _stays(
        "an end in the past revives a choice",
        "WHEN (NEW.kind = 'dpa' AND NEW.supersedes IS NOT NULL)",
        "WHEN (false)",
    ),
    _stays(
        "each end lets a choice lapse",
        "    AND ours.has_lapsed(c, (NEW.recorded AT TIME ZONE 'UTC')::date);",
        ";",
    ),
    _stays(
        "raw SQL carries out a choice that has lapsed, after an end in the past",
        "  SELECT given.lapsed IS NOT NULL OR EXISTS (",
        "  SELECT EXISTS (",
    ),
    bug(
        "a choice that has lapsed is carried out after an end in the past",
        "catalog/exits.py",
        "    return or_(c.lapsed.is_not(None), now)\n",
        "    return now\n",
        EXITS,
    ),
    bug(
        "a choice that has lapsed is shown as confirmed after an end in the past",
        "catalog/exits.py",
        "    if row.lapsed is not None or has_lapsed(",
        "    if has_lapsed(",
        EXITS,
    ),
    bug(
        "the second end of a contract is not overdue",
        "catalog/exits.py",
        '_has("erasure"), ~_lapsed(today))',
        '_has("erasure"))',
        EXITS,
    ),
    bug(
        "a lapsed choice is shown as confirmed",
        "catalog/exits.py",
        "    if row.lapsed is not None or has_lapsed(row.exit_on, made, today):\n",
        "    if False:\n",
        EXITS,
    ),
    bug(
        "a BAA that replaces another needs no enterprise agreement",
        "policy/agreements.py",
        "    shortened = old is not None and _within(new, old)\n",
        "    shortened = old is not None\n",
        POLICY,
    ),
    _lapse(
        "raw SQL supersedes what is another's",
        "WHERE e.id = replaced;\n    IF NOT FOUND THEN",
        "WHERE e.id = replaced;\n    IF false THEN",
    ),
    _lapse(
        "raw SQL supersedes another kind",
        "    IF old.kind <> what THEN\n",
        "    IF false THEN\n",
    ),
    _sql(
        "a later tenant has the agreements of the former",
        "SELECT max(r.last_agreement) FROM ours.tenant_removal r WHERE r.tenant = whose",
        "SELECT 0",
        HISTORY,
        SQL,
    ),
    _sql(
        "the last agreement of a tenant is forgotten",
        "      AND (removed.on_day IS NOT NULL OR EXISTS (",
        "      AND (true OR EXISTS (",
        HISTORY,
        SQL,
    ),
    _sql(
        "a worker forgets what ended this month",
        "  latest date := least(before, (ours.forgettable_before() AT TIME ZONE 'UTC')::date);",
        "  latest date := before;",
    ),
    _lapse(
        "the person who chose confirms it",
        "  IF me = given.actor OR session_user = given.login THEN\n",
        "  IF false THEN\n",
    ),
    _lapse(
        "it is confirmed without a notice",
        "(SELECT FROM ours.exit_step WHERE choice_id = which AND step = 'notice')",
        "(SELECT)",
    ),
    _sql(
        "the day of an exit has passed when it is chosen",
        "  IF day IS NULL OR day <= today THEN\n",
        "  IF day IS NULL THEN\n",
    ),
    _sql(
        "the customer has notice when the day has passed",
        "  IF given.exit_on <= today THEN\n",
        "  IF false THEN\n",
    ),
    _lapse(
        "an exit is carried out before its day",
        "  IF given.exit_on > today THEN\n",
        "  IF false THEN\n",
    ),
    _lapse(
        "an exit is carried out while an agreement is in force",
        "    WHERE e.kind = 'dpa' AND (e.until IS NULL OR e.until > today)\n  ) THEN\n"
        "    RETURN 'agreement_in_force';",
        "    WHERE false\n  ) THEN\n    RETURN 'agreement_in_force';",
    ),
    _lapse(
        "a confirmation from before a recovery counts",
        "      AND s.number > coalesce((SELECT max(last_exit_step) FROM ours.catalog_info), 0)\n",
        "",
    ),
    _sql(
        "a replaced choice is carried out",
        "WHERE c.tenant = given.tenant AND c.number > given.number\n    ) THEN 'replaced'",
        "WHERE false\n    ) THEN 'replaced'",
    ),
    _sql(
        "an exit is carried out twice",
        "WHERE s.choice_id = given.id AND s.step = 'erasure'\n",
        "WHERE false\n",
    ),
    _lapse(
        "an exit is carried out during a recovery",
        "    RETURN 'recovering';\n",
        "    NULL;\n",
    ),
    _sql(
        "older code undoes an end",
        "      AND NEW.signed IN (e.signed, e.since) AND e.until IS NOT DISTINCT FROM ends\n",
        "      AND NEW.signed IN (e.signed, e.since) AND e.until IS NOT DISTINCT FROM ends\n"
        "      AND NOT EXISTS (SELECT FROM ours.agreement_entry n WHERE n.supersedes = e.id)\n",
        HISTORY,
    ),
    Bug(
        "a service records agreements",
        "migrations/versions/0027_agreements.py",
        'date, date, date, uuid)": ADMIN',
        'date, date, date, uuid)": f"{ADMIN}, {SERVICE}"',
        (SQL,),
    ),
)
