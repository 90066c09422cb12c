"""Run no code of a login with the rights of the catalog's owner; give partitions a schema.

Revision: 0023
Follows: 0022

The worker creates nothing any more in the schema of the catalog, where every session looks for
names. It owns ``record``, so its code may run in whatever reads that table: no function of the
owner does. Partitions that exist stay where they are. Those that are made from now on are dropped
only by workers of this version and later ones.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

WORKER, LOOKUP = "domicile_worker", "domicile_lookup"
# The migration of another region may create the role between the check and the statement.
MAKE_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{LOOKUP}') THEN
    CREATE ROLE {LOOKUP} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# A role that is not a superuser is not a member of the roles that it creates.
JOIN_ROLE = f"""
DO $$ BEGIN
  IF NOT pg_has_role('{LOOKUP}', 'SET') THEN
    GRANT {LOOKUP} TO CURRENT_USER;
  END IF;
END $$
"""
DROP_ROLE = f"""
DO $$ BEGIN
  DROP ROLE {LOOKUP};
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
END $$
"""
PLACES = """
SELECT quote_ident(current_schema()), quote_literal(current_schema()),
  quote_ident(current_schema() || '_partitions'), quote_literal(current_schema() || '_partitions')
"""
MADE = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = to_regnamespace(current_schema() || '_partitions')
  AND relkind = 'r' AND relname ~ '^record_[0-9]{8}$'
"""
BEFORE = {  # where older revisions create the functions
    "0010_functions.sql": ("make_partition", "forget_erasures", "forget_holds"),
    "0016_stages.py": ("remove_tenant",),
    "0017_log.sql": (
        *("number_log_lines", "restore_log_line", "forgettable_before", "forget_log_lines"),
        "prune_log",
    ),
    "0022_flags.py": ("unsample",),
}
FLAGS = "ALTER sealed_flags SET STATISTICS 0, "  # what 0022 puts into unsample


def upgrade() -> None:
    """Close them. A role without members owns the function that reads what the worker owns."""
    ours, partitions = _schemas()
    op.execute(f"CREATE SCHEMA {partitions}")
    op.execute(f"GRANT USAGE, CREATE ON SCHEMA {partitions} TO {WORKER}")
    _run(_text("0023_closed_functions.sql"))
    op.execute("REVOKE ALL ON FUNCTION has_records(text) FROM PUBLIC")
    op.execute(MAKE_ROLE)
    op.execute(JOIN_ROLE)
    op.execute(f"GRANT USAGE, CREATE ON SCHEMA {ours} TO {LOOKUP}")
    op.execute(f"GRANT SELECT (tenant) ON record TO {LOOKUP}")
    op.execute(f"ALTER FUNCTION has_records(text) OWNER TO {LOOKUP}")
    op.execute(f"REVOKE CREATE ON SCHEMA {ours} FROM PUBLIC, {WORKER}, {LOOKUP}")


def downgrade() -> None:
    """Make them as before, and move the partitions back."""
    ours, partitions = _schemas()
    op.execute(f"GRANT CREATE ON SCHEMA {ours} TO {WORKER}")
    for name in op.get_bind().scalars(sa.text(MADE)).all():
        op.execute(f"ALTER TABLE {name} SET SCHEMA {ours}")
    op.execute(f"DROP SCHEMA {partitions} CASCADE")
    for file, names in BEFORE.items():
        for name in names:
            found = re.search(rf"FUNCTION {name}\(.*?\$\$.*?\$\$", _text(file), re.DOTALL)
            assert found is not None
            _run(f"CREATE OR REPLACE {found[0]}")
    op.execute("DROP FUNCTION has_records(text)")
    op.execute(f"REVOKE ALL (tenant) ON record FROM {LOOKUP}")
    op.execute(f"REVOKE USAGE ON SCHEMA {ours} FROM {LOOKUP}")
    op.execute(DROP_ROLE)


def _schemas() -> tuple[str, str]:
    """Return the quoted names of the catalog's schema and of that of its partitions."""
    ours, _, partitions, _ = op.get_bind().execute(sa.text(PLACES)).one()
    return ours, partitions


def _text(file: str) -> str:
    return Path(__file__).with_name(file).read_text()


def _run(sql: str) -> None:
    """Execute statements, with names and literals of the schemas in their places."""
    ours, literal, _, partitions = op.get_bind().execute(sa.text(PLACES)).one()
    names = {"ours.": f"{ours}.", ":'ours'": literal, ":'partitions'": partitions}
    names |= {':"schema"': ours, "{schema}": ours, "{more}": FLAGS}
    sql = re.sub(r"\bours\.|:['\"]\w+['\"]|\{\w+\}", lambda found: names[found[0]], sql)
    # only without parameters does psycopg take several at once
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
