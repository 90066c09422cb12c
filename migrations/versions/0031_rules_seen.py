"""Keep what each topology that the catalog has seen said of retentions.

Revision: 0031
Follows: 0030
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"


def upgrade() -> None:
    """Add the column. Older code leaves it empty."""
    op.execute("ALTER TABLE topology_seen ADD COLUMN rules text")


def downgrade() -> None:
    """Drop it, and with it what it says."""
    op.execute("ALTER TABLE topology_seen DROP COLUMN rules")
