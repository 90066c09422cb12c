"""Bugs in legal holds."""

from tests.mutants.bugs.bug import HOLD_RACES, HOLDS, PREDICATE, Bug, bug, in_function

CLI = "tests/integration/test_cli_holds.py"
COURT = "tests/integration/test_hold_court_case.py"
HOLDING = "tests/unit/test_holding.py"
PEOPLE = "tests/integration/test_hold_people.py"
PEOPLE_SQL = "tests/integration/test_hold_people_sql.py"
PLANS = "tests/integration/test_hold_plans.py"

BUGS = (
    bug(
        "an approver does not see what a narrowing lets go",
        "cli/commands/hold.py",
        "    for part in change.carve_outs:\n",
        "    for part in ():\n",
        CLI,
    ),
    bug(
        "an approver does not see what a decision says",
        "cli/commands/hold.py",
        "    if change.permitted is not None:\n",
        "    if False:\n",
        CLI,
    ),
    bug(
        "an approver does not see why",
        "cli/commands/hold.py",
        "    if change.why is not None:\n",
        "    if False:\n",
        CLI,
    ),
    bug(
        "holds of a tenant that is not there are none",
        "cli/commands/hold.py",
        "            homes.find(tenant)\n",
        "            pass\n",
        CLI,
    ),
    bug(
        "a carve-out takes what is no id",
        "client/hold_checks.py",
        "    if not well_formed(str(name)):\n",
        "    if False:\n",
        CLI,
    ),
    bug(
        "a narrowing names an account that is not there",
        "client/holds.py",
        "                if not tenants.of_account(connection, account):\n",
        "                if False:\n",
        CLI,
    ),
    bug(
        "expiry ignores what is held",
        "catalog/days.py",
        "            ~hold_predicate.in_held_pack(o.id, day),\n",
        "",
        HOLDS,
        HOLD_RACES,
    ),
    bug(
        "an erasure is planned while a hold is placed",
        "workers/erase.py",
        "    holds.share(connection)\n",
        "",
        HOLD_RACES,
    ),
    bug(
        "a hold of one class keeps all",
        "catalog/hold_predicate.py",
        "        or_(h.classes.is_(None), c.data_class == any_(h.classes)),\n",
        "",
        PREDICATE,
        HOLDS,
    ),
    bug(
        "a hold keeps what came after it",
        "catalog/hold_predicate.py",
        "        or_(h.cutoff.is_(None), c.minted <= h.cutoff),\n",
        "",
        PREDICATE,
    ),
    bug(
        "a release resumes no erasure",
        "workers/release.py",
        "    resumed = deferrals.resume(connection, hold.tenant, until, now, ROWS)\n",
        "    resumed: list[object] = []\n",
        HOLDS,
    ),
    bug(
        "a carve-out lets go nothing",
        "catalog/hold_predicate.py",
        "        ~_carved_out(table),\n",
        "",
        PREDICATE,
    ),
    bug(
        "a hold on one account keeps all",
        "catalog/hold_predicate.py",
        "in_account(c.tenant),",
        "true(),",
        PREDICATE,
    ),
    bug(
        "a hold on an account forgets tenants that a restored catalog lacks",
        "catalog/hold_predicate.py",
        "    return ~elsewhere.correlate_except(t.tenant)\n",
        "    here = exists().where(other.id == tenant, other.account == h.account)\n"
        "    return here.correlate_except(t.tenant)\n",
        PREDICATE,
    ),
    bug(
        "expiry ignores what a wide hold keeps",
        "catalog/hold_predicate.py",
        "or_(named, _has_widely_held(pack, day))",
        "named",
        PREDICATE,
    ),
    bug(
        "a wide hold is asked row by row",
        "catalog/hold_predicate.py",
        "_covered(t.record, r.object_id, _OF_TENANT, r.expiry_day == day)",
        "_covered(t.record, r.object_id, (*_OF_TENANT, *_WIDE), r.expiry_day == day)",
        PLANS,
    ),
    bug(
        "what was let go is looked for among the first records alone",
        "catalog/deletions.py",
        "    last = seen[-1] if len(seen) == limit else None\n",
        "    last = None\n",
        COURT,
    ),
    bug(
        "what is deferred again is resumed again",
        "catalog/deferrals.py",
        ", e.since <= since)",
        ")",
        COURT,
    ),
    bug(
        "what another process deferred just before a release is not resumed",
        "workers/release.py",
        "hold.since + 2 * region.clock.error",
        "hold.since",
        COURT,
    ),
    bug(
        "what nobody has confirmed is read",
        "policy/holding.py",
        "    if hold.confirmed is None:\n        return HoldReason.HOLD_NOT_CONFIRMED\n",
        "",
        HOLDING,
    ),
    bug(
        "a foreign authority reads at once",
        "policy/holding.py",
        "    if not is_foreign(hold, jurisdiction):\n",
        "    if True:\n",
        HOLDING,
    ),
    bug(
        "a read does not ask whether its hold may be read",
        "client/recorded.py",
        "            check_readable(region, holds.show(connection, region.name, [hold])[0])\n",
        "",
        PEOPLE,
    ),
    bug(
        "a worker approves for a person whose process died",
        "ledger/journal.py",
        "    return not _personal(event)\n",
        "    return True\n",
        PEOPLE,
    ),
    bug(
        "the key service takes a hold that nobody confirmed, or whose order nobody may follow",
        "policy/staff_permits.py",
        "    return [] if found is HoldReason.ALLOWED else [found]\n",
        "    return []\n",
        "tests/unit/test_staff_permits.py",
    ),
    Bug(
        "a worker who may not replay is taken for a person",
        "migrations/versions/0025_key_service_facts.py",
        "    _replace(LAST.sub(r\"\\1'not_recovering'\", _older()))\n",
        "    _replace(_older())\n",
        (PEOPLE_SQL,),
    ),
    in_function(
        "who placed a hold confirms it",
        "  IF mine = given.sponsor OR session_user = given.placed_login THEN\n",
        "  IF mine = given.sponsor THEN\n",
        PEOPLE_SQL,
    ),
    in_function(
        "a hold says itself who stands for it",
        "ours.insert_hold(new, excluded, ours.person_of_session(), session_user)",
        "ours.insert_hold(new, excluded, new ->> 'sponsor', session_user)",
        PEOPLE_SQL,
    ),
    in_function(
        "who requested a change approves it",
        "  IF mine = given.requested_by THEN\n",
        "  IF false THEN\n",
        PEOPLE_SQL,
    ),
    in_function(
        "a person replays what others did",
        "  IF ours.person_of_session() IS NOT NULL THEN\n",
        "  IF false THEN\n",
        PEOPLE_SQL,
    ),
    in_function(
        "a grant is made under a hold that nobody confirmed",
        "h.id = hold AND h.confirmed IS NULL)",
        "h.id = hold AND false)",
        PEOPLE,
    ),
    in_function(
        "a narrowing goes on where a release had looked",
        "  SET resumed = NULL, passed_tenant = NULL, passed_minted = NULL, passed_uid = NULL,\n"
        "    passed_day = NULL\n",
        "  SET resumed = NULL\n",
        COURT,
    ),
)
