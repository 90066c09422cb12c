"""Bugs that let code that a worker planted run with the rights of others."""

from tests.mutants.bugs.bug import Bug, bug, in_function

PLANTED = "tests/integration/test_planted_code.py"
FILE = "migrations/versions/0023_closed_functions"
SAFE = "SET search_path = pg_catalog, pg_temp"
OPEN = "SET search_path = public, pg_temp"
PL = "LANGUAGE plpgsql SECURITY DEFINER "
HEADS = (
    "unsample(name text) RETURNS void LANGUAGE plpgsql\n",
    f"make_partition(wanted date) RETURNS void\n{PL}",
    f"forget_erasures(before timestamptz, most integer) RETURNS integer\n{PL}",
    f"forget_holds(before timestamptz, most integer) RETURNS integer\n{PL}",
    "has_records(whose text) RETURNS boolean\nLANGUAGE sql SECURITY DEFINER ",
    f"remove_tenant(whose text) RETURNS void\n{PL}",
    f"entry bytea, place bigint\n) RETURNS void\n{PL}",
    "forgettable_before() RETURNS timestamptz LANGUAGE sql\n",
    (
        "forget_log_lines(before timestamptz, most integer, signed bigint DEFAULT NULL)\n"
        f"RETURNS integer\n{PL}"
    ),
    f"number_log_lines(most integer, signed bigint DEFAULT NULL) RETURNS void\n{PL}",
    f"prune_log(before bigint) RETURNS void\n{PL}",
    "next_log_number() RETURNS bigint LANGUAGE sql\n",
    f"note_root_key(version integer) RETURNS void\n{PL}",
    "add_log_line(what text, facts jsonb, given timestamptz) RETURNS void\nLANGUAGE plpgsql ",
)


def migration(name: str, old: str, new: str) -> Bug:
    """Return a bug of the revision."""
    return Bug(name, f"{FILE}.py", old, new, (PLANTED,))


PLANT = "what is planted is used"

BUGS = (
    *(
        in_function(f"{PLANT}: {head.split()[0]}", head + SAFE, head + OPEN, PLANTED)
        for head in HEADS
    ),
    in_function(
        "the owner looks for records",
        "FROM ours.file WHERE tenant = whose)\n    OR",
        "FROM ours.file WHERE tenant = whose)\n"
        "    OR EXISTS (SELECT FROM ours.record WHERE tenant = whose)\n    OR",
        PLANTED,
    ),
    in_function(
        "a function of the owner goes on after code of the worker",
        "  IF EXISTS (SELECT FROM ours.file",
        "  IF ours.has_records(whose) OR EXISTS (SELECT FROM ours.file",
        PLANTED,
    ),
    migration(
        "the owner owns what reads the records",
        '    op.execute(f"ALTER FUNCTION has_records(text) OWNER TO {LOOKUP}")\n',
        "",
    ),
    migration(
        "a worker creates in the schema of the catalog",
        "FROM PUBLIC, {WORKER}, {LOOKUP}",
        "FROM PUBLIC, {LOOKUP}",
    ),
    migration(
        "everybody creates in the schema of the catalog",
        "FROM PUBLIC, {WORKER}, {LOOKUP}",
        "FROM {WORKER}, {LOOKUP}",
    ),
    migration(
        "what looks for records creates in the schema of the catalog",
        "FROM PUBLIC, {WORKER}, {LOOKUP}",
        "FROM PUBLIC, {WORKER}",
    ),
    migration(
        "everybody asks who has records",
        '    op.execute("REVOKE ALL ON FUNCTION has_records(text) FROM PUBLIC")\n',
        "",
    ),
    migration(
        "a downgrade leaves the partitions",
        '        op.execute(f"ALTER TABLE {name} SET SCHEMA {ours}")\n',
        "        pass\n",
    ),
    bug(
        "the owner makes partitions with a function of the worker",
        "initialize.py",
        "        if new:  #",
        "        if True:  #",
        PLANTED,
    ),
    bug(
        "partitions are looked for in one schema alone",
        "catalog/days.py",
        "    WHERE c.relname = ANY (:names) AND c.relkind = 'r'\n",
        "    WHERE c.relname = ANY (:names) AND c.relkind = 'r' AND pg_table_is_visible(c.oid)\n",
        PLANTED,
    ),
)
