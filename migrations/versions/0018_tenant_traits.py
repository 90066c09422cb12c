"""Note what customers asked for of the people who may look into their content.

Revision: 0018
Follows: 0017
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"


def upgrade() -> None:
    """Add the column. A tenant that older code wrote has none of the traits."""
    op.execute("ALTER TABLE tenant ADD COLUMN traits text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE tenant DROP COLUMN traits")
