"""Bugs in what rows may say: no more than people are told, and nothing that cannot be read."""

from tests.mutants.bugs.bug import Bug, bug, in_function

COMMANDS = "tests/integration/test_cli_holds.py"
FORGOTTEN = "tests/integration/test_forgotten.py"
GRANTS = "tests/integration/test_grants_sql.py"
HOLDS = "tests/integration/test_hold_people_sql.py"
PERSON = "tests/integration/test_login_of_person.py"

BUGS: tuple[Bug, ...] = (
    *(
        in_function(
            f"an admin changes the {column} of a tenant",
            "(OLD.id, OLD.account, OLD.home) IS DISTINCT FROM (NEW.id, NEW.account, NEW.home)",
            f"({old}) IS DISTINCT FROM ({old.replace('OLD', 'NEW')})",
            HOLDS,
        )
        for column, old in (
            ("account", "OLD.id, OLD.home"),
            ("home", "OLD.id, OLD.account"),
            ("id", "OLD.account, OLD.home"),
        )
    ),
    in_function(
        "a grant for one record opens two",
        "    WHEN what = 'record' THEN cardinality(matched) = 1\n",
        "    WHEN what = 'record' THEN cardinality(matched) <= 2\n",
        GRANTS,
        HOLDS,
    ),
    in_function(
        "a grant for one group opens several",
        "    WHEN what IN ('subject', 'group') THEN (\n",
        "    WHEN what = 'subject' THEN (\n",
        GRANTS,
        HOLDS,
    ),
    in_function(
        "a subject has two pseudonyms under one key",
        "count(*) = count(DISTINCT substr(m, 1, 1))",
        "count(*) = count(DISTINCT m)",
        GRANTS,
        HOLDS,
    ),
    in_function(
        "a subject has one pseudonym, however many keys there are",
        "count(*) = count(DISTINCT substr(m, 1, 1))",
        "count(*) = 1",
        GRANTS,
        HOLDS,
    ),
    in_function(
        "a scope has values that no process can read",
        "  SELECT ours.is_list(matched) AND CASE\n",
        "  SELECT CASE\n",
        GRANTS,
    ),
    in_function(
        "a grant covers more than it says",
        "WHEN (NOT is_as_said(NEW.scope, NEW.sought)) EXECUTE",
        "WHEN (false) EXECUTE",
        GRANTS,
    ),
    in_function(
        "a hold that covers more than it says is confirmed",
        "  IF NOT ours.is_as_said(given.scope, coalesce(given.sought, '{}')) THEN\n",
        "  IF false THEN\n",
        HOLDS,
    ),
    bug(
        "nobody is told how many subjects a hold is on",
        "catalog/holds.py",
        "named=count_named(ScopeKind(x.scope), x.match_values or ())",
        "named=1",
        COMMANDS,
    ),
    bug(
        "a hold on several subjects is confirmed, until the catalog refuses",
        "policy/holding.py",
        "    if hold.named > 1:\n",
        "    if False:\n",
        "tests/unit/test_holding.py",
    ),
    bug(
        "a grant for several subjects is approved",
        "policy/grants.py",
        "GrantReason.WIDER_THAN_SAID: count_named(grant.scope, grant.sought) > 1",
        "GrantReason.WIDER_THAN_SAID: False",
        "tests/unit/test_grant_policy.py",
    ),
    bug(
        "pseudonyms under two keys are two subjects",
        "model/scopes.py",
        "Counter(value[:1] for value in set(sought))",
        "Counter(b'' for value in set(sought))",
        "tests/unit/test_grant_policy.py",
    ),
    in_function(
        "a person who is forgotten is a process",
        "    (SELECT actor FROM ours.former_login WHERE login = session_user)\n",
        "    NULL\n",
        GRANTS,
        PERSON,
    ),
    in_function(
        "a person who is forgotten uses the grant of another",
        "    OR ours.person_of_session() <> who\n",
        "",
        GRANTS,
    ),
    bug(
        "a person who is forgotten reads as a service",
        "catalog/roster.py",
        "    found = func.coalesce(person.scalar_subquery(), former.scalar_subquery())\n",
        "    found = func.coalesce(person.scalar_subquery(), None)\n",
        PERSON,
    ),
    in_function(
        "the login of a person is forgotten with the entry",
        "    WHERE d.login IS NOT NULL AND d.kind <> 'machine' ORDER BY d.login, d.number\n",
        "    WHERE false ORDER BY d.login, d.number\n",
        FORGOTTEN,
        PERSON,
    ),
    in_function(
        "the login of a machine is a person's once its entry is forgotten",
        "d.login IS NOT NULL AND d.kind <> 'machine' ORDER",
        "d.login IS NOT NULL ORDER",
        FORGOTTEN,
    ),
    in_function(
        "a login that is gone is never forgotten",
        "  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname::text = f.login);\n",
        "  WHERE false;\n",
        FORGOTTEN,
    ),
    in_function(
        "the login of a person who is forgotten is given to another",
        "WHERE f.login = NEW.login AND f.actor <> NEW.actor",
        "WHERE false",
        GRANTS,
    ),
    in_function(
        "a person who comes back gets no login",
        "WHERE f.login = NEW.login AND f.actor <> NEW.actor",
        "WHERE f.login = NEW.login",
        GRANTS,
    ),
    in_function(
        "an entry ends never, as no process can read",
        "WHEN (NOT (is_day(NEW.since) AND is_day(NEW.until)))",
        "WHEN (NOT is_day(NEW.since))",
        GRANTS,
    ),
    in_function(
        "an entry begins before all days",
        "WHEN (NOT (is_day(NEW.since) AND is_day(NEW.until)))",
        "WHEN (NOT is_day(NEW.until))",
        GRANTS,
    ),
    *(
        in_function(f"a hold is placed that nobody reads: {check}", check, "true", HOLDS)
        for check in (
            "ours.is_moment(NEW.placed)",
            "ours.is_moment(NEW.cutoff)",
            "ours.is_moment(NEW.minted_from)",
            "ours.is_moment(NEW.minted_to)",
            "ours.is_day(NEW.review)",
            "ours.are_classes(NEW.classes)",
            "ours.is_list(NEW.sought)",
        )
    ),
    *(
        in_function(f"a hold leaves out what nobody reads: {check}", check, "true", HOLDS)
        for check in (
            "is_list(NEW.tenants)",
            "is_list(NEW.accounts)",
            " are_classes(NEW.classes)",
            " is_moment(NEW.minted_from)",
            " is_moment(NEW.minted_to)",
        )
    ),
    in_function(
        "any names are classes",
        "    given IS NULL OR given <@ '{prompt,completion,fine_tuning_file,event,flag}'::text[]\n",
        "    true\n",
        HOLDS,
    ),
    in_function(
        "a class is forgotten in the catalog",
        "'{prompt,completion,fine_tuning_file,event,flag}'",
        "'{prompt,completion,fine_tuning_file,event}'",
        HOLDS,
    ),
    in_function(
        "the last year that a process knows is refused",
        "given < '10000-01-01 00:00+00'",
        "given < '9999-01-01 00:00+00'",
        HOLDS,
    ),
    in_function(
        "a year that no process knows is taken",
        "given < '10000-01-01 00:00+00'",
        "given < 'infinity'",
        HOLDS,
    ),
    in_function(
        "a narrowing may be anything",
        "WHEN (NEW.carve_outs IS NOT NULL AND NOT are_carve_outs(NEW.carve_outs))",
        "WHEN (false)",
        HOLDS,
    ),
    in_function(
        "a narrowing takes out whatever is a list",
        "    WHERE NOT ours.is_part(f.key, f.value)\n",
        "    WHERE false\n",
        HOLDS,
    ),
    in_function(
        "a narrowing takes out nothing that is named",
        " WHERE jsonb_typeof(p) <> 'object' OR p = '{}'\n",
        " WHERE jsonb_typeof(p) <> 'object'\n",
        HOLDS,
    ),
    in_function(
        "a narrowing takes out classes that are not there",
        "      ours.are_classes(x.classes) AND ours.is_moment",
        "      ours.is_moment",
        HOLDS,
    ),
    in_function(
        "a narrowing takes out an empty list, which reads as all",
        "coalesce(bool_and(jsonb_typeof(e) = 'string'), false)",
        "coalesce(bool_and(jsonb_typeof(e) = 'string'), true)",
        HOLDS,
    ),
    bug(
        "a hold that is released is confirmed",
        "ledger/hold_changes.py",
        "    if known.confirmed is not None and known.released is None:\n",
        "    if known.confirmed is not None:\n",
        COMMANDS,
    ),
    bug(
        "a narrowing names a tenant that is not there",
        "cli/commands/hold_change.py",
        "            store.admin.tenants.get(name)\n",
        "            pass\n",
        COMMANDS,
    ),
    bug(
        "grants for a tenant that is not there are none",
        "cli/commands/grant.py",
        "            homes.find(tenant)\n",
        "            pass\n",
        "tests/integration/test_cli_grants.py",
    ),
)
