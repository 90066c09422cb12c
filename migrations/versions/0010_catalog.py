"""Create the catalog of a region: tables, functions, and what each role may do.

Revision: 0010
Follows: nothing. It replaces 0001 to 0009, which were never released; a catalog that they brought
to 0010 has the same schema.

The schema is in two files of SQL beside this one. Roles belong to the whole server, which may have
catalogs of other regions: they are created if absent, and dropped with the last catalog that uses
them. To let a login work as one of them: ``GRANT domicile_service TO my_login``. The role that runs
migrations owns everything but the partitions.
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
ROLES = SERVICE, WORKER, ADMIN
ALL = ", ".join(ROLES)
# The migration of another region may create the role between the check and the statement.
MAKE_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# A role that is not a superuser is not a member of the roles that it creates.
JOIN_ROLE = """
DO $$ BEGIN
  IF NOT pg_has_role('{role}', 'SET') THEN
    GRANT {role} TO CURRENT_USER;
  END IF;
END $$
"""
DROP_ROLE = """
DO $$ BEGIN
  DROP ROLE {role};
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
END $$
"""

TABLES = (
    *("catalog_info", "pseudonym_key", "signing_key", "tenant", "agreement", "directory"),
    *("object", "replica", "scrub", "stray", "day", "day_key", "file", "record", "held"),
    *("hold", "audit", "erasure", "fence", "erasure_object", "deferral", "receipt"),
    *("processor_copy", "erasure_copy"),
)
FUNCTIONS = {  # with the roles that may call them
    "make_partition(date)": ALL,
    "forget_erasures(timestamptz, integer)": WORKER,
    "forget_holds(timestamptz, integer)": WORKER,
}
GRANTS: Sequence[tuple[str, str, str]] = (
    ("SELECT", ", ".join(("alembic_version", *TABLES)), ALL),
    # All roles read, write, and request erasures. A service deletes no row, confirms no deletion,
    # and signs nothing.
    ("INSERT", "day_key, erasure, erasure_object, fence, file, object, record, replica", ALL),
    ("INSERT", "processor_copy", ALL),
    ("UPDATE (state, size, digest, deadline, compact_at, replicate_at)", "object", ALL),
    ("UPDATE (state, land_by, next_attempt, purging_since, last_error)", "replica", ALL),
    ("UPDATE (state, land_by, next_attempt, last_error)", "processor_copy", ALL),
    ("UPDATE (ready)", "day_key", ALL),
    ("UPDATE (holds_ranges)", "erasure_object", ALL),
    # Only a role that may update a row can lock it. Nothing depends on these two columns alone.
    ("UPDATE (dropped_at)", "day", ALL),
    ("UPDATE (ticket)", "erasure", ALL),
    # The worker destroys, relocates held records, defers and resumes.
    ("UPDATE, DELETE", "day, erasure_object, fence, file, object, record, replica", WORKER),
    ("UPDATE, DELETE", "processor_copy", WORKER),
    ("UPDATE", "erasure", WORKER),
    ("UPDATE (identity, unread)", "catalog_info", WORKER),
    ("UPDATE (resumed)", "hold", WORKER),
    ("INSERT", "day, receipt", WORKER),
    ("INSERT, UPDATE", "deferral, signing_key", WORKER),
    ("INSERT, UPDATE, DELETE", "held, scrub, stray", WORKER),
    ("INSERT, DELETE", "erasure_copy", WORKER),
    # The admin manages tenants, places and releases holds, reads what is under a hold, and records
    # what a processor attests. It destroys nothing.
    ("INSERT, UPDATE", "tenant", ADMIN),
    ("INSERT, DELETE", "agreement", ADMIN),
    ("INSERT", "directory, audit, hold", ADMIN),
    ("UPDATE (released, released_why)", "hold", ADMIN),
    (
        "UPDATE (requested, acknowledged, how, digest, actor, subject, grp, ancestors)",
        "processor_copy",
        ADMIN,
    ),
)

# What exists outside of the catalog, or is kept for a hold, and would be lost with its rows.
IN_USE = """
SELECT (SELECT count(*) FROM tenant) AS "tenants",
  (SELECT count(*) FROM processor_copy WHERE state <> 'confirmed') AS "copies at processors",
  (SELECT count(*) FROM object WHERE kind = 'ledger') AS "ledger entries",
  (SELECT count(*) FROM object WHERE kind IN ('held', 'hold_key')) AS "objects under a hold",
  (SELECT count(*) FROM erasure WHERE state = 'deferred') AS "deferred erasures"
"""


def upgrade() -> None:
    """Create the catalog."""
    schema = _schema()
    for role in ROLES:
        op.execute(MAKE_ROLE.format(role=role))
    op.execute(JOIN_ROLE.format(role=WORKER))
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {ALL}")
    op.execute(f"GRANT CREATE ON SCHEMA {schema} TO {WORKER}")
    _run("0010_tables.sql", schema)
    op.execute(f"ALTER TABLE record OWNER TO {WORKER}")
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {roles}")
    _run("0010_functions.sql", schema)
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")
    op.execute(f"ALTER FUNCTION make_partition(date) OWNER TO {WORKER}")


def downgrade() -> None:
    """Drop the catalog and its partitions. Roles that another catalog of the server uses stay.

    Raises RuntimeError if it has ledger entries, copies at processors, or anything under a hold.
    """
    left = op.get_bind().execute(sa.text(IN_USE)).one()
    if any(left):
        counts = ", ".join(f"{n} {what}" for what, n in left._mapping.items() if n)
        raise RuntimeError(f"The catalog is in use and cannot be dropped: it has {counts}.")
    for function in ("unsample(text)", *FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute(f"REVOKE ALL ON alembic_version FROM {ALL}")
    op.execute(f"REVOKE ALL ON SCHEMA {_schema()} FROM {ALL}")
    for role in ROLES:
        op.execute(DROP_ROLE.format(role=role))


def _run(file: str, schema: str) -> None:
    """Execute a file of statements. Only without parameters does psycopg take several at once."""
    sql = Path(__file__).with_name(file).read_text().replace(':"schema"', schema)
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


def _schema() -> str:
    """Return the quoted name of the schema that the catalog is in."""
    return str(op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())")))
