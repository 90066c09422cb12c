"""Let an index give the records of a group in order of minting, so that a page reads no more.

Revision: 0051
Follows: 0050

It also serves what the one before it served, for older code too. Whoever builds it on each
partition beforehand, with CONCURRENTLY, has it taken over: then this takes moments.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0051"
down_revision: str | None = "0050"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TABLES = "record", "file", "held"


def upgrade() -> None:
    """Replace the index. The partitions follow their table."""
    _replace("_grp", "_by_group", "tenant, grp, minted")


def downgrade() -> None:
    """Make it as before."""
    _replace("_by_group", "_grp", "tenant, grp")


def _replace(old: str, new: str, columns: str) -> None:
    # dropped first: who waits for the lock that dropping needs, and has another, blocks writers
    for table in TABLES:
        op.execute(f"DROP INDEX {table}{old}")
        op.execute(f"CREATE INDEX {table}{new} ON {table} ({columns}) WHERE grp IS NOT NULL")
