"""What each process may do: the roles service, worker and admin, and partitions made by a function.

Revision: 0002
Follows: 0001

A login of yours is made a member: ``GRANT domicile_service TO my_login``. Roles belong to the whole
server, on which there may be catalogs of other regions: they are made where absent, and go with the
last catalog that uses them. Who runs migrations owns everything else, and belongs to nobody's daily
work.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 1)

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
ROLES = SERVICE, WORKER, ADMIN

TABLES = (
    "agreement, alembic_version, catalog_info, day, day_key, directory, erasure, erasure_object, "
    "fence, file, object, receipt, record, replica, tenant"
)
GRANTS: Sequence[tuple[str, str, Sequence[str]]] = (
    ("SELECT", TABLES, ROLES),
    # What writes, reads, and asks for an erasure. It deletes no row, says of nothing that it is
    # gone, and signs nothing.
    ("INSERT", "day_key, erasure, erasure_object, fence, file, object, record, replica", ROLES),
    ("UPDATE (state, size, digest, deadline, compact_at, replicate_at)", "object", ROLES),
    ("UPDATE (state, land_by, next_attempt, purging_since, last_error)", "replica", ROLES),
    ("UPDATE (ready)", "day_key", ROLES),
    ("UPDATE (holds_ranges)", "erasure_object", ROLES),
    # To lock a row one has to be able to change it: this much of it, which decides nothing.
    ("UPDATE (dropped_at)", "day", ROLES),
    ("UPDATE (ticket)", "erasure", ROLES),
    # What destroys.
    ("UPDATE, DELETE", "day, erasure_object, fence, file, object, record, replica", [WORKER]),
    ("UPDATE", "erasure", [WORKER]),
    ("INSERT", "day, receipt", [WORKER]),
    # What knows the terms of customers.
    ("INSERT, UPDATE", "tenant", [ADMIN]),
    ("INSERT, DELETE", "agreement", [ADMIN]),
    ("INSERT", "directory", [ADMIN]),
)

# Two regions may be migrated at the same moment: then the other one has just made the role. Who is
# not a superuser, and may make roles, is no member of those that it makes, until it says so.
MAKE_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
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

# PostgreSQL lets nobody but their owner detach and drop partitions: that is the worker. All others
# may have one made, and nothing else. Temporary objects of the caller come last, so that none of
# them is taken for one of ours and run with the worker's rights.
MAKE_PARTITION = """
CREATE FUNCTION make_partition(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
AS $$
DECLARE
  name text := 'record_' || to_char(wanted, 'YYYYMMDD');
BEGIN
  -- attached, because CREATE TABLE ... PARTITION OF would lock the parent
  EXECUTE format('CREATE TABLE %I (LIKE record INCLUDING ALL)', name);
  EXECUTE format('ALTER TABLE record ATTACH PARTITION %I FOR VALUES IN (%L)', name, wanted);
  INSERT INTO day (day, state) VALUES (wanted, 'open');
END $$
"""
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'record'::regclass"


def upgrade() -> None:
    """Up."""
    schema = _schema()
    everybody = ", ".join(ROLES)
    for role in ROLES:
        op.execute(MAKE_ROLE.format(role=role))
    op.execute(JOIN_ROLE.format(role=WORKER))
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {everybody}")
    op.execute(f"GRANT CREATE ON SCHEMA {schema} TO {WORKER}")
    _hand_over(WORKER)
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {', '.join(roles)}")
    op.execute(MAKE_PARTITION.format(schema=schema))
    op.execute("REVOKE ALL ON FUNCTION make_partition(date) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION make_partition(date) TO {everybody}")
    op.execute(f"ALTER FUNCTION make_partition(date) OWNER TO {WORKER}")


def downgrade() -> None:
    """Down. Roles that another catalog of the server uses stay."""
    schema = _schema()
    op.execute("DROP FUNCTION make_partition(date)")
    _hand_over("CURRENT_USER")
    op.execute(f"REVOKE ALL ON {TABLES} FROM {', '.join(ROLES)}")
    op.execute(f"REVOKE ALL ON SCHEMA {schema} FROM {', '.join(ROLES)}")
    for role in ROLES:
        op.execute(DROP_ROLE.format(role=role))


def _hand_over(role: str) -> None:
    """Give the partitions that there are, and what they are partitions of, to a role."""
    for partition in op.get_bind().scalars(text(PARTITIONS)).all():
        op.execute(f"ALTER TABLE {partition} OWNER TO {role}")
    op.execute(f"ALTER TABLE record OWNER TO {role}")


def _schema() -> str:
    """The schema in which the catalog is."""
    return str(op.get_bind().scalar(text("SELECT quote_ident(current_schema())")))
