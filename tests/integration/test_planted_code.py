"""Code that a login plants in a catalog never runs with the rights of the catalog's owner."""

import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from storage.catalog import days, schema
from storage.catalog.engine import Catalog
from storage.initialize import init
from storage.policy import DestroyReason, Destruction
from storage.testing import Domicile
from tests.support.catalogs.databases import (
    HOME,
    ROLES,
    Throwaway,
    as_role,
    catalog_of,
    opened,
)

pytestmark = pytest.mark.one_region

OWNER, WORKER, LOOKUP = "postgres", "domicile_worker", "domicile_lookup"
DAY = date(2027, 5, 1)
# A table that everybody may write, and a function that notes in it with whose rights it runs.
TRAP = (
    "CREATE TABLE caught (who text, what text)",
    "GRANT SELECT, INSERT ON caught TO PUBLIC",
    """CREATE FUNCTION trap(what text) RETURNS void LANGUAGE sql
    AS 'INSERT INTO public.caught VALUES (current_user, what)'""",
)
FITS = "CREATE FUNCTION {name}({takes}) RETURNS {gives} LANGUAGE plpgsql AS $$ {body} $$"
# What fits arguments of the functions better than what PostgreSQL has, and its result.
BETTER = {
    "cardinality": ("uuid[]", "integer", "0"),
    "to_char": ("date, text", "text", "'20270501'"),
    "format": ("text, text", "text", "'SELECT'"),
    "no_overlap": ("text[], text[]", "boolean", "false"),
    "other": ("text[], text[]", "boolean", "true"),
    "rest": ("bigint, integer", "integer", "0"),
}
OPERATORS = {
    "&&": ("text[]", "text[]", "no_overlap"),
    "<>": ("text[]", "text[]", "other"),
    "%": ("bigint", "integer", "rest"),
}
ENTRY = "decode(repeat('00', 33), 'hex')"
CALLS = (
    ("domicile_service", f"make_partition('{DAY}')"),
    (WORKER, "forget_erasures(now(), 1)"),
    (WORKER, "forget_holds(now(), 1)"),
    ("domicile_admin", "remove_tenant('acme')"),
    (WORKER, "number_log_lines(1)"),
    (
        WORKER,
        f"restore_log_line('{UUID(int=1)}', 'opening', now(), NULL, NULL, {ENTRY}, 0)",
    ),
    (WORKER, "forget_log_lines(now(), 1)"),
    (WORKER, "prune_log(0)"),
)
TENANT = """
    INSERT INTO tenant
      (id, account, home, residency, service, dedicated, retention, version, created)
    VALUES ('acme', 'a', 'eu', 'EU', 'api', false, '{}', 1, now())
"""
REMOVE = ("domicile_admin", "remove_tenant('acme')")
# Nothing in it varies, so PostgreSQL executes it when it plans a query of the table. Then it has
# operators of the worker looked up before those of PostgreSQL, in whatever follows.
CONSTANT = FITS.format(
    name="constant",
    takes="",
    gives="integer IMMUTABLE",
    body="BEGIN PERFORM public.trap('planned'); "
    "PERFORM set_config('search_path', 'public, pg_catalog', false); RETURN 1; END",
)
SAME = (
    FITS.format(
        name="same",
        takes="a text, b text",
        gives="boolean",
        body="BEGIN PERFORM public.trap('='); RETURN texteq(a, b); END",
    ),
    "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = same)",
)
PART = "CREATE TABLE part (LIKE record INCLUDING ALL)"
ATTACH = "ALTER TABLE record ATTACH PARTITION part FOR VALUES IN ('2027-06-01')"
IN_RECORD = {
    "an index": [CONSTANT, *SAME, "CREATE INDEX planted ON record ((constant()))"],
    "a check": [
        *(CONSTANT, *SAME, PART, ATTACH),
        "ALTER TABLE record ADD CHECK (constant() = 1)",
    ],
    "a policy": [
        *(CONSTANT, *SAME, "CREATE POLICY planted ON record USING (constant() = 1)"),
        "ALTER TABLE record ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    ],
    "a view": [
        *(CONSTANT, *SAME, "DROP TABLE record"),
        "CREATE VIEW record AS SELECT 'x' AS tenant WHERE constant() = 2",
        "GRANT SELECT ON record TO PUBLIC",
    ],
}


@pytest.fixture(scope="module")
def url(alone: Throwaway) -> Iterator[str]:
    """A catalog with a tenant. It is being recovered: lines of the log may be restored."""
    made = alone.make("planted")
    with opened(HOME, made) as connection:
        schema.upgrade(connection)
        schema.name_catalog(connection, HOME, uuid4())
        connection.execute(text("UPDATE catalog_info SET unread = '{eu-a}'"))
        connection.execute(text(TENANT))
    yield made
    alone.execute("DROP DATABASE planted")


@pytest.fixture
def catalog(url: str) -> Iterator[Connection]:
    """A transaction on it, as its owner, which is rolled back."""
    with opened(HOME, url) as connection:
        yield connection
        connection.rollback()


def execute(connection: Connection, login: str, *statements: str) -> None:
    """Execute statements as another login."""
    connection.execute(text(f"SET LOCAL SESSION AUTHORIZATION {login}"))
    for statement in statements:
        connection.execute(text(statement))
    connection.execute(text("RESET SESSION AUTHORIZATION"))


def plant(connection: Connection, *statements: str) -> None:
    """Execute statements as a worker that may create in the schema, as before revision 0023."""
    connection.execute(text(f"GRANT CREATE ON SCHEMA public TO {WORKER}"))
    execute(connection, WORKER, *TRAP, *statements)
    connection.execute(text("DELETE FROM public.caught"))


def caught(connection: Connection) -> list[tuple[str, str]]:
    """Return with whose rights planted code ran, and what it was."""
    return [(row[0], row[1]) for row in connection.execute(text("SELECT * FROM public.caught"))]


@pytest.mark.parametrize(("login", "call"), CALLS)
def test_no_function_uses_what_is_planted(catalog: Connection, login: str, call: str) -> None:
    """Functions and operators that fit better than those of PostgreSQL, and temporary tables."""
    better = [
        FITS.format(
            name=name,
            takes=takes,
            gives=gives,
            body=f"BEGIN PERFORM public.trap('{name}'); RETURN {result}; END",
        )
        for name, (takes, gives, result) in BETTER.items()
    ]
    operators = [
        f"CREATE OPERATOR {name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {function})"
        for name, (left, right, function) in OPERATORS.items()
    ]
    plant(catalog, *better, *operators)

    execute(
        catalog,
        login,
        "CREATE TEMP TABLE erasure (id uuid, state text, completed timestamptz)",
        "SET LOCAL search_path = pg_temp, public, pg_catalog",
        f"SELECT public.{call}",
    )

    assert caught(catalog) == []


@pytest.mark.parametrize("what", IN_RECORD)
def test_removing_a_tenant_runs_no_code_as_the_owner(catalog: Connection, what: str) -> None:
    """The worker owns the table of records, and so has its code run by whoever reads it."""
    plant(catalog, *IN_RECORD[what])
    role, call = REMOVE

    execute(catalog, role, f"SELECT public.{call}")

    assert {who for who, _ in caught(catalog)} <= {LOOKUP}


@pytest.mark.parametrize("what", ["an index", "a check"])
def test_making_a_partition_runs_code_as_the_worker_alone(catalog: Connection, what: str) -> None:
    """Whose it is. Not as the service that needs the partition, nor as the owner."""
    plant(catalog, *IN_RECORD[what])

    execute(catalog, "domicile_service", f"SELECT public.make_partition('{DAY}')")

    assert {who for who, _ in caught(catalog)} == {WORKER}


def test_the_owner_runs_nothing_of_the_worker_when_it_migrates(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``init`` again, with more days wanted. It could be tricked by a changed function, too."""
    domicile.stack.close()
    monkeypatch.setattr("storage.initialize.horizon_wanted", lambda *_: date(2026, 8, 1))
    with catalog_of(domicile.settings) as connection:
        plant(connection, *IN_RECORD["an index"][:1], IN_RECORD["an index"][-1])
        execute(connection, WORKER, "ALTER FUNCTION make_partition(date) SECURITY INVOKER")
        connection.execute(text(f"REVOKE CREATE ON SCHEMA public FROM {WORKER}"))
    try:
        init(domicile.settings, dependencies=domicile.dependencies)
        with catalog_of(domicile.settings) as connection:
            found = caught(connection)
    finally:
        with catalog_of(domicile.settings) as connection:
            execute(connection, WORKER, "ALTER FUNCTION make_partition(date) SECURITY DEFINER")
            connection.execute(text("DROP FUNCTION constant, trap CASCADE"))
            connection.execute(text("DROP TABLE caught"))

    assert found == []


class TestEveryFunction:
    def test_searches_pg_catalog_alone(self, catalog: Connection) -> None:
        """Whoever may create in another schema of the path could replace what it calls."""
        paths = catalog.execute(
            text(
                "SELECT proname, proconfig FROM pg_proc "
                "WHERE pronamespace = 'public'::regnamespace OR prosecdef"
            )
        )

        alone = "search_path=pg_catalog, pg_temp"
        assert {name for name, given in paths if alone not in (given or ())} == set()

    def test_that_runs_as_the_owner_names_nothing_of_the_worker(self, catalog: Connection) -> None:
        """An owner's function that reads records runs the code of the worker as the owner."""
        functions = catalog.execute(
            text(
                "SELECT proname, proowner::regrole::text, prosrc, prosecdef FROM pg_proc "
                "WHERE pronamespace = 'public'::regnamespace"
            )
        ).all()

        of_others = {name: owner for name, owner, _, _ in functions if owner != OWNER}
        assert of_others == {"make_partition": WORKER, "has_records": LOOKUP}
        named = re.compile(r"\.record\b|\bmake_partition\b|\breadable_r(?:ecord|ow)\b")
        found = {
            name: definer
            for name, owner, sql, definer in functions
            if owner == OWNER and named.search(sql)
        }
        assert found == {
            "readable_record": False,
            "readable_row": False,
        }  # it runs as whoever calls it

    def test_that_looks_for_records_is_for_the_owner(self, catalog: Connection) -> None:
        """No login asks in the stead of ``remove_tenant``."""
        allowed = text("SELECT has_function_privilege(:role, 'has_records(text)', 'EXECUTE')")
        who = {role for role in ROLES if catalog.scalar(allowed, {"role": role})}

        assert who == {LOOKUP}


class TestSchema:
    def test_only_the_owner_creates_in_it(self, catalog: Connection) -> None:
        """Else what a login creates is found by every session that has the schema in its path."""
        catalog.execute(text("CREATE ROLE anybody"))
        who = [role for role in (*sorted(ROLES), "anybody") if may_create(catalog, role)]

        assert who == []

    def test_the_owner_owns_all_but_the_records(self, catalog: Connection) -> None:
        """Whoever owns a table has its code run by whoever reads it."""
        tables = catalog.execute(
            text(
                "SELECT relname, relowner::regrole::text FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')"
            )
        )

        assert {name: owner for name, owner in tables if owner != OWNER} == {"record": WORKER}

    def test_public_creates_in_it_no_more(self, alone: Throwaway) -> None:
        """As it could in a database that PostgreSQL 14 or an older one made."""
        with opened(HOME, alone.make("older")) as connection:
            connection.execute(text("GRANT CREATE ON SCHEMA public TO PUBLIC"))
            connection.execute(text("CREATE ROLE anybody"))
            schema.upgrade(connection)

            assert not may_create(connection, "anybody")
            connection.rollback()
        alone.execute("DROP DATABASE older")


def may_create(connection: Connection, role: str) -> bool:
    """Return whether a role may create in the schema of the catalog."""
    allowed = text("SELECT has_schema_privilege(:role, 'public', 'CREATE')")
    return bool(connection.scalar(allowed, {"role": role}))


FUNCTIONS = text("""
    SELECT pg_get_functiondef(oid), proowner::regrole::text, proacl::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace
    WHERE nspname LIKE 'public%' ORDER BY 1
""")


SOURCES = text("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
CHANGED = {"make_partition", "unsample", "remove_tenant", "has_records"}


def test_what_is_closed_does_what_it_did(alone: Throwaway) -> None:
    """But for the names of schemas: what older revisions say counts, and is not said otherwise."""
    url, sources = alone.make("alike"), []
    with opened(HOME, url) as connection:
        for revision in ("0022", "0023"):
            schema.upgrade(connection, revision)
            found = connection.execute(SOURCES)
            sources.append({name: sql.replace("public.", "") for name, sql in found})
        connection.rollback()
    alone.execute("DROP DATABASE alike")

    before, after = sources
    assert {name for name in after if before.get(name) != after[name]} == CHANGED


def test_down_is_as_before(alone: Throwaway) -> None:
    """Each function, and who owns and calls it. The partitions move back."""
    url = alone.make("back")
    with opened(HOME, url) as connection:
        schema.upgrade(connection, "0022")
        before = connection.execute(FUNCTIONS).all()
        days.make(connection, [DAY])
        schema.upgrade(connection)
        days.make(connection, [DAY.replace(day=2)])
        schema.downgrade(connection, "0022")
        days.make(connection, [DAY.replace(day=3)])
        after = connection.execute(FUNCTIONS).all()
        found = days.partitions(connection, [DAY.replace(day=n) for n in (1, 2, 3)])
        connection.rollback()
    alone.execute("DROP DATABASE back")

    assert after == before
    assert sorted(name for name, _ in found) == [f"record_2027050{n}" for n in (1, 2, 3)]


def test_a_worker_drops_partitions_of_both_places(alone: Throwaway) -> None:
    """Those from before the revision stay beside the other tables."""
    url, two = alone.make("two_places"), [DAY, DAY.replace(day=2)]
    with opened(HOME, url) as connection:
        schema.upgrade(connection, "0022")
        days.make(connection, two[:1])
        schema.upgrade(connection)
        days.make(connection, two[1:])
        made = days.partitions(connection, two)
    worker = Catalog(HOME, as_role(url, WORKER))
    for day in two:
        days.drop_partition(worker, day, Destruction(DestroyReason.ALLOWED))
    worker.close()
    with opened(HOME, url) as connection:
        left = days.partitions(connection, two)
        schema.downgrade(connection, "base")
    alone.execute("DROP DATABASE two_places")

    assert sorted(made) == [
        ("public_partitions.record_20270502", False),
        ("record_20270501", False),
    ]
    assert left == []
