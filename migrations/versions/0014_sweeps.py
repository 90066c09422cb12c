"""Note the order in which objects were seen absent, and of listings in which a row named every key.

Revision: 0014
Follows: 0013
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

UP = (
    "CREATE SEQUENCE absence",
    "ALTER TABLE object ADD COLUMN absence bigint",
    "ALTER TABLE replica ADD COLUMN swept bigint",
    """
    CREATE TABLE sweep (
      backend text,
      prefix text COLLATE "C",
      due timestamptz NOT NULL,
      began bigint,
      after text NOT NULL DEFAULT '',
      orphans integer NOT NULL DEFAULT 0,
      attempts integer NOT NULL DEFAULT 0,
      last_error text,
      PRIMARY KEY (backend, prefix)
    )
    """,
    "GRANT SELECT ON sweep TO domicile_service, domicile_worker, domicile_admin",
    "GRANT INSERT, UPDATE, DELETE ON sweep TO domicile_worker",
    "GRANT USAGE ON SEQUENCE absence TO domicile_worker",
)
DOWN = (
    "DROP TABLE sweep",
    "ALTER TABLE replica DROP COLUMN swept",
    "ALTER TABLE object DROP COLUMN absence",
    "DROP SEQUENCE absence",
)


def upgrade() -> None:
    """Add them. A worker alone writes them. What was gone before is swept before its receipt."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in DOWN:
        op.execute(statement)
