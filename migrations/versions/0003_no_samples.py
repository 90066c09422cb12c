"""No samples of what has to go: PostgreSQL's planner would keep them longer than the rows.

Revision: 0003
Follows: 0002

ANALYZE, which PostgreSQL runs by itself, copies values of every column into pg_statistic: wrapped
keys and pseudonyms too. There they stay until the table is sampled again, those of a partitioned
table for ever. So these columns are not sampled. Of the two by which records are looked for, the
planner is told how often a value comes: otherwise it takes every two-hundredth row to fit, and
may read a whole tenant to list one user. (Ids are sampled: they hold nothing personal.)
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 1)

CONTENT = "subject", "grp", "wrapped_key", "sealed_metadata", "fingerprint"
SOUGHT = {"erasure": "sought", "fence": "value"}
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'record'::regclass"

_TARGETS = ", ".join(f"ALTER {column} SET STATISTICS 0" for column in CONTENT)
# LIKE copies everything but this. The shares: a subject has 20 records in a table, a group has 5.
UNSAMPLE = f"""
CREATE FUNCTION unsample(name text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I {_TARGETS}', name);
  PERFORM pg_restore_attribute_stats(
    'schemaname', current_schema()::text, 'relname', name, 'attname', told.attname,
    'inherited', false, 'null_frac', 0::real, 'avg_width', 33, 'n_distinct', told.share)
  FROM (VALUES ('subject', -0.05::real), ('grp', -0.2::real)) AS told (attname, share);
END $$
"""
MAKE_PARTITION = """
CREATE OR REPLACE FUNCTION make_partition(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
AS $$
DECLARE
  name text := 'record_' || to_char(wanted, 'YYYYMMDD');
BEGIN
  -- attached, because CREATE TABLE ... PARTITION OF would lock the parent
  EXECUTE format('CREATE TABLE %I (LIKE record INCLUDING ALL)', name);
  {unsample}
  EXECUTE format('ALTER TABLE record ATTACH PARTITION %I FOR VALUES IN (%L)', name, wanted);
  INSERT INTO day (day, state) VALUES (wanted, 'open');
END $$
"""


def upgrade() -> None:
    """Up."""
    op.execute(UNSAMPLE)
    for table in ("record", "file", *_partitions()):
        op.execute(f"SELECT unsample('{table}')")
    for table, column in SOUGHT.items():
        op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS 0")
    _replace("PERFORM unsample(name);")


def downgrade() -> None:
    """Down."""
    _replace("")
    op.execute("DROP FUNCTION unsample(text)")
    for table in ("record", "file", *_partitions()):
        for column in CONTENT:
            op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS -1")
    for table, column in SOUGHT.items():
        op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS -1")


def _replace(unsample: str) -> None:
    """The function that makes partitions; whose it is, and who may call it, stays."""
    schema = op.get_bind().scalar(text("SELECT quote_ident(current_schema())"))
    op.execute(MAKE_PARTITION.format(schema=schema, unsample=unsample))


def _partitions() -> Sequence[str]:
    return op.get_bind().scalars(text(PARTITIONS)).all()
