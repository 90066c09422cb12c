"""Note how it was known where a backend stands, and how far backends are emptied.

Revision: 0012
Follows: 0010
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 4)

TABLE = """
CREATE TABLE departure (
  backend text,
  begun timestamptz,
  replicas bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  finished timestamptz,
  token text,
  PRIMARY KEY (backend, begun),
  CONSTRAINT departure_finished CHECK ((finished IS NULL) = (token IS NULL))
)
"""
INDEX = "CREATE UNIQUE INDEX departure_open ON departure (backend) WHERE finished IS NULL"


def upgrade() -> None:
    """Add a column and a table. A worker alone writes them: it purges, and notes an absence."""
    op.execute("ALTER TABLE replica ADD COLUMN located text")
    op.execute(TABLE)
    op.execute(INDEX)
    op.execute("GRANT SELECT ON departure TO domicile_service, domicile_worker, domicile_admin")
    op.execute("GRANT INSERT, UPDATE, DELETE ON departure TO domicile_worker")


def downgrade() -> None:
    """Drop both. Raises RuntimeError if there are statements, which are evidence."""
    signed = op.get_bind().scalar(sa.text("SELECT count(*) FROM departure WHERE token <> ''"))
    if signed:
        raise RuntimeError(f"The catalog has {signed} statements of emptied backends: keep them.")
    op.execute("DROP TABLE departure")
    op.execute("ALTER TABLE replica DROP COLUMN located")
