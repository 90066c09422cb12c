"""Note how it was known where a backend stands, for receipts.

Revision: 0012
Follows: 0010
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 4)


def upgrade() -> None:
    """Add the column. The privileges of its table cover it: only a worker notes an absence."""
    op.execute("ALTER TABLE replica ADD COLUMN located text")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE replica DROP COLUMN located")
