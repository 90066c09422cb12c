"""Note how long each tenant was seen to keep its classes, and what erasures leave.

Revision: 0028
Follows: 0027

Erasures of older code leave nothing: their new columns are empty.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

ERASURE = {"spared_from": "timestamptz", "kept": "bigint NOT NULL DEFAULT 0", "kept_until": "date"}


def upgrade() -> None:
    """Add the table and the columns. Workers alone look, and a tenant takes its row with it."""
    op.execute(
        """
        CREATE TABLE retention_look (
          tenant text PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
          version integer NOT NULL,
          rules text NOT NULL,
          days jsonb NOT NULL,
          until jsonb NOT NULL,
          looked date NOT NULL
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON retention_look TO domicile_worker")
    op.execute("GRANT SELECT ON retention_look TO domicile_service, domicile_admin")
    for column, what in ERASURE.items():
        op.execute(f"ALTER TABLE erasure ADD COLUMN {column} {what}")
    op.execute("ALTER TABLE fence ADD COLUMN spared_from timestamptz")


def downgrade() -> None:
    """Drop them. What was left then goes by its own day all the same."""
    op.execute("ALTER TABLE fence DROP COLUMN spared_from")
    for column in ERASURE:
        op.execute(f"ALTER TABLE erasure DROP COLUMN {column}")
    op.execute("DROP TABLE retention_look")
