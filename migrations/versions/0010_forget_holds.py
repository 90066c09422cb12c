"""An end to what is known of holds that are over, and to who looked at what they kept.

Revision: 0010
Follows: 0009

No login may delete a hold, or a line of the audit log: they go by a function that takes what is
over, the oldest first, and nothing else.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)

# A line of the log goes before its hold, and an erasure that was deferred before the hold that
# deferred it. The newest hold stays: the next one has to get a higher number than it.
FORGET = """
CREATE FUNCTION forget_holds(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
AS $$
DECLARE
  lines uuid[] := ARRAY(
    SELECT a.id FROM audit a JOIN hold h ON h.id = a.hold_id
    WHERE h.released < before AND h.resumed IS NOT NULL LIMIT most
  );
  old uuid[];
BEGIN
  DELETE FROM audit WHERE id = ANY (lines);
  old := ARRAY(
    SELECT id FROM hold h
    WHERE released < before AND resumed IS NOT NULL
      AND number < (SELECT max(number) FROM hold)
      AND NOT EXISTS (SELECT FROM audit WHERE hold_id = h.id)
      AND NOT EXISTS (SELECT FROM deferral WHERE hold_id = h.id)
    ORDER BY released LIMIT most - cardinality(lines) FOR UPDATE SKIP LOCKED
  );
  DELETE FROM hold WHERE id = ANY (old);
  RETURN cardinality(lines) + cardinality(old);
END $$
"""
OVER = sa.text("resumed IS NOT NULL")


def upgrade() -> None:
    """Up."""
    op.create_index("hold_over", "hold", ["released"], unique=False, postgresql_where=OVER)
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(FORGET.format(schema=schema))
    op.execute("REVOKE ALL ON FUNCTION forget_holds(timestamptz, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION forget_holds(timestamptz, integer) TO domicile_worker")


def downgrade() -> None:
    """Down."""
    op.execute("DROP FUNCTION forget_holds(timestamptz, integer)")
    op.drop_index("hold_over", table_name="hold", postgresql_where=OVER)
