"""Note which control a backend listed when a replica was seen absent there, for receipts.

Revision: 0012
Follows: 0011
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"


def upgrade() -> None:
    """Add the column. The privileges of its table cover it: only a worker notes an absence."""
    op.execute("ALTER TABLE replica ADD COLUMN control uuid")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE replica DROP COLUMN control")
