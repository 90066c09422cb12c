"""How far scrubbing is, per backend, and what backends hold that no row knows of.

Revision: 0006
Follows: 0005

Keys now sort by their bytes, as backends list them, whatever the database's own order is. For as
long as the index of all keys is built anew, nothing reads or writes replicas.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)


def upgrade() -> None:
    """Up."""
    op.create_table(
        "scrub",
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("tally", postgresql.JSONB(), nullable=False),
        sa.Column("lease", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unmended", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("backend"),
    )
    op.create_table(
        "stray",
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("backend", "key"),
    )
    op.execute('ALTER TABLE replica ALTER key TYPE text COLLATE "C"')
    op.create_index("replica_listing", "replica", ["backend", "key"], unique=False)
    op.execute("GRANT SELECT ON scrub, stray TO domicile_service, domicile_worker, domicile_admin")
    op.execute("GRANT INSERT, UPDATE, DELETE ON scrub, stray TO domicile_worker")


def downgrade() -> None:
    """Down."""
    op.drop_index("replica_listing", table_name="replica")
    op.execute('ALTER TABLE replica ALTER key TYPE text COLLATE "default"')
    op.drop_table("stray")
    op.drop_table("scrub")
