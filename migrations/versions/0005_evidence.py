"""Evidence as it was noted when it was seen, keys that have signed, and an end to what is kept.

Revision: 0005
Follows: 0004

What a worker has looked for on a backend is noted with the replica, so that no receipt depends on
what the topology says later. Former code goes on to note ``how`` alone, of which new code makes the
least that it can mean.

A worker may delete no receipt, and no erasure: old ones go by a function that takes what is
complete, the oldest first, and nothing else.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)

FORGET = """
CREATE FUNCTION forget_erasures(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
AS $$
DECLARE
  old uuid[] := ARRAY(
    SELECT id FROM erasure e
    WHERE state = 'complete' AND completed < before
      AND NOT EXISTS (SELECT FROM fence WHERE erasure_id = e.id)
    ORDER BY completed LIMIT most FOR UPDATE SKIP LOCKED
  );
BEGIN
  DELETE FROM receipt WHERE erasure_id = ANY (old);
  DELETE FROM erasure WHERE id = ANY (old);
  RETURN cardinality(old);
END $$
"""


def upgrade() -> None:
    """Up."""
    op.add_column("replica", sa.Column("sub_processor", sa.Text(), nullable=True))
    op.add_column("replica", sa.Column("seen", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("replica", sa.Column("attested", sa.ARRAY(sa.Text()), nullable=True))
    op.create_index(
        "replica_gone",
        "replica",
        ["gone_at"],
        unique=False,
        postgresql_where=sa.text("state = 'gone'"),
    )
    op.create_index(
        "erasure_complete",
        "erasure",
        ["completed"],
        unique=False,
        postgresql_where=sa.text("state = 'complete'"),
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("first_signed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_signed", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kid"),
    )
    op.execute("GRANT SELECT ON signing_key TO domicile_service, domicile_worker, domicile_admin")
    op.execute("GRANT INSERT, UPDATE ON signing_key TO domicile_worker")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(FORGET.format(schema=schema))
    op.execute("REVOKE ALL ON FUNCTION forget_erasures(timestamptz, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION forget_erasures(timestamptz, integer) TO domicile_worker")


def downgrade() -> None:
    """Down. Of what was noted, that is kept which former code understands."""
    op.execute("DROP FUNCTION forget_erasures(timestamptz, integer)")
    op.drop_table("signing_key")
    op.drop_index(
        "erasure_complete", table_name="erasure", postgresql_where=sa.text("state = 'complete'")
    )
    op.drop_index("replica_gone", table_name="replica", postgresql_where=sa.text("state = 'gone'"))
    op.execute(
        "UPDATE replica SET how = CASE WHEN attested && '{version,upload}' THEN 'attested' "
        "ELSE 'seen' END WHERE state = 'gone' AND how IS NULL"
    )
    op.drop_column("replica", "attested")
    op.drop_column("replica", "seen")
    op.drop_column("replica", "sub_processor")
