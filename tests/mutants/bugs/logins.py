"""Bugs in what a login is: a person's is no service's, and what it says is a code."""

from tests.mutants.bugs.bug import Bug, bug

ACCESS = "tests/unit/test_access_of_people.py"
CODES = "tests/integration/test_codes_in_lines.py"
FORGED = "tests/integration/test_log_forged.py"
PERSON = "tests/integration/test_login_of_person.py"
SQL = "migrations/versions/0036_codes_in_lines.sql"

BUGS: tuple[Bug, ...] = (
    bug(
        "a person reads as a service",
        "policy/access.py",
        "return AccessReason.LOGIN_OF_PERSON if login_of_person and not actor.staff else None",
        "return None",
        ACCESS,
        PERSON,
    ),
    bug(
        "a person reads as a machine",
        "policy/access.py",
        "if login_of_person and not actor.staff else None",
        "if login_of_person and actor.kind is _CUSTOMER else None",
        ACCESS,
        PERSON,
    ),
    bug(
        "an open file does not ask whose login it is",
        "packs/openings.py",
        "        login_of_person=region.session.of_person(connection),\n",
        "        login_of_person=False,\n",
        PERSON,
    ),
    bug(
        "the refusal of a login leaves no line",
        "client/lines.py",
        "        with noting(region, facts):\n            Access(reason).demand()\n",
        "        Access(reason).demand()\n",
        PERSON,
    ),
    bug(
        "whose login it is, is asked once",
        "sessions.py",
        "return known[1] if known and self._local() - known[0] < ASK_AGAIN else None",
        "return known[1] if known else None",
        PERSON,
    ),
    bug(
        "the login of a machine is a person's",
        "catalog/roster.py",
        "select(r.actor).where(r.login == func.session_user(), r.kind.in_(STAFF)).limit(1)",
        "select(r.actor).where(r.login == func.session_user()).limit(1)",
        PERSON,
    ),
    bug(
        "the first place of a tile counts, whatever is there",
        "tlog/tree.py",
        "    for chosen in islice(product(*found), _TRIED):\n",
        "    for chosen in islice(product(*found), 1):\n",
        FORGED,
    ),
    bug(
        "a line repeats what an unknown actor says",
        "client/lines.py",
        '        "employer": as_code(actor.employer),\n',
        '        "employer": actor.employer,\n',
        CODES,
    ),
    bug(
        "a case may be a sentence",
        "client/people.py",
        '        check_code("case of a grant", spec.case)\n',
        "        pass\n",
        CODES,
        "tests/unit/test_grant_policy.py",
    ),
    bug(
        "a service says of itself what it likes",
        "client/validate.py",
        "        if actor.kind is ActorKind.CUSTOMER:",
        "        if False:",
        CODES,
    ),
    Bug(
        "a keeper enters free text with raw SQL",
        SQL,
        "    PERFORM ours.refuse_grant('not_a_code');\n  END IF;\n  RETURN NEW;\n",
        "  END IF;\n  RETURN NEW;\n".replace("  END IF", "    NULL;\n  END IF"),
        (CODES,),
    ),
    Bug(
        "nobody who was entered otherwise can be suspended",
        SQL,
        "  ) AND NOT EXISTS (\n",
        "  ) OR false AND NOT EXISTS (\n",
        (CODES,),
    ),
    Bug(
        "a grant has a sentence as its case",
        SQL,
        """WHEN (NOT is_code(NEW."case"))""",
        """WHEN (NOT is_code(NEW."case") AND false)""",
        (CODES,),
    ),
    Bug(
        "a customer approves by any name",
        SQL,
        "WHEN (NEW.for_customer AND NOT is_code(NEW.actor))",
        "WHEN (NEW.for_customer AND NOT is_code(NEW.actor) AND false)",
        (CODES,),
    ),
    Bug(
        "a row that is no place of a tile is added",
        SQL,
        "  AND NEW.length = NEW.width * CASE NEW.level WHEN -1 THEN 35 ELSE 32 END\n",
        "",
        (FORGED,),
    ),
)
