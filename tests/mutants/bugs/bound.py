"""Bugs in what binds wrapped keys under holds, and in what guards numbers."""

from tests.mutants.bugs.bug import Bug

TESTS = "tests/integration/test_bound.py"


def _sql(name: str, old: str, new: str, *tests: str) -> Bug:
    return Bug(name, "migrations/versions/0038_bound.sql", old, new, tests or (TESTS,))


BUGS: tuple[Bug, ...] = (
    _sql("a key moves to another record by update", "AFTER INSERT OR UPDATE ON", "AFTER INSERT ON"),
    _sql("a key comes back with another record", "AFTER INSERT OR UPDATE ON", "AFTER UPDATE ON"),
    _sql("a key may be with any record", "  IF said IS DISTINCT FROM (", "  IF '' = ("),
    _sql(
        "a key opens the record under another name",
        "    given.tenant, given.uid,",
        "    given.tenant,",
    ),
    _sql("a record changes its day", "given.expiry_day, ", ""),
    _sql("a record changes its tenant", "given.tenant, ", ""),
    _sql("a record changes its class", "given.data_class, ", ""),
    _sql("a record changes its minting", "given.minted, ", ""),
    _sql("a record changes its subject", ", given.subject,", ","),
    _sql("a record changes its group", "    given.grp, ", "    "),
    _sql("a record changes its ancestors", "given.grp, given.ancestors", "given.grp"),
    _sql(
        "a key from before the revision is not bound",
        "ours.held_facts(h) FROM held h\n",
        "ours.held_facts(h) FROM held h WHERE false\n",
    ),
    _sql("the facts of a record depend on the session", " SET timezone = 'UTC'", ""),
    _sql(
        "a hold takes the last number that there is",
        "IF NEW.number > (SELECT coalesce(max(h.number), 0) + 1 FROM ours.hold h) THEN",
        "IF false THEN",
    ),
    _sql(
        "a hold skips a number", "coalesce(max(h.number), 0) + 1", "coalesce(max(h.number), 0) + 2"
    ),
    _sql(
        "an entry takes the last number that there is", "WHEN (NEW.kind = 'ledger')", "WHEN (false)"
    ),
    _sql(
        "an entry skips a number",
        "coalesce(max(o.number), 0) + 1",
        "coalesce(max(o.number), 0) + 2",
    ),
    _sql(
        "an entry changes its number",
        "BEFORE INSERT OR UPDATE OF kind, number ON",
        "BEFORE INSERT ON",
    ),
    _sql(
        "a recovery takes entries in their order alone",
        "NOT ours.is_recovering() AND ",
        "",
        "tests/integration/test_recover.py",
    ),
)
