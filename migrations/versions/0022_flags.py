"""Keep what classifiers say of a record in its row.

Revision: 0022
Follows: 0021
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TABLES = "record", "file", "held"
# As in 0010_functions.sql, with one more column that is not sampled.
UNSAMPLE = """
CREATE OR REPLACE FUNCTION unsample(name text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I ALTER subject SET STATISTICS 0, ALTER grp SET STATISTICS 0, ALTER wrapped_key SET STATISTICS 0, ALTER sealed_metadata SET STATISTICS 0, {more}ALTER fingerprint SET STATISTICS 0', name);
  PERFORM pg_restore_attribute_stats(
    'schemaname', current_schema()::text, 'relname', name, 'attname', told.attname,
    'inherited', false, 'null_frac', 0::real, 'avg_width', 33, 'n_distinct', told.share)
  FROM (VALUES ('subject', -0.05::real), ('grp', -0.2::real)) AS told (attname, share);
END $$
"""  # noqa: E501


def upgrade() -> None:
    """Add the column. What older code writes has no flag; the partitions follow their table."""
    _unsample("ALTER sealed_flags SET STATISTICS 0, ")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN sealed_flags bytea")
        op.execute(f"ALTER TABLE {table} ALTER sealed_flags SET STATISTICS 0")
        op.execute(
            f"CREATE INDEX {table}_flagged ON {table} (tenant, minted, uid) "
            "WHERE sealed_flags IS NOT NULL"
        )
    op.execute("GRANT UPDATE (sealed_flags) ON record, file TO domicile_service")


def downgrade() -> None:
    """Drop it, and the flags with it."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN sealed_flags")
    _unsample("")


def _unsample(more: str) -> None:
    op.execute(UNSAMPLE.format(more=more))
