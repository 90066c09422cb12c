"""Keep the origin of data from before Domicile, and the epochs that the catalog has seen.

Revision: 0026
Follows: 0025
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TABLES = "record", "file", "held"


def upgrade() -> None:
    """Add the columns. What older code writes has no origin of its own, and saw no epochs."""
    for table in TABLES:
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN origin_date date, ADD COLUMN origin_source bytea"
        )
    op.execute("ALTER TABLE topology_seen ADD COLUMN epochs jsonb")


def downgrade() -> None:
    """Drop them, and with them what they say."""
    op.execute("ALTER TABLE topology_seen DROP COLUMN epochs")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN origin_date, DROP COLUMN origin_source")
