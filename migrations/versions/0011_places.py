"""Note how it was known where a backend stands, and how far backends are emptied.

Revision: 0011
Follows: 0010
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TABLES = """
CREATE TABLE departure (
  backend text PRIMARY KEY,
  begun timestamptz NOT NULL,
  replicas bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0
);
CREATE TABLE statement (
  backend text,
  begun timestamptz,
  replicas bigint NOT NULL,
  bytes bigint NOT NULL,
  token text NOT NULL,
  signed timestamptz NOT NULL,
  PRIMARY KEY (backend, begun)
);
"""
GRANTS = (
    ("SELECT", "departure, statement", "domicile_service, domicile_worker, domicile_admin"),
    ("INSERT, UPDATE, DELETE", "departure", "domicile_worker"),
    ("INSERT", "statement", "domicile_worker"),
)


def upgrade() -> None:
    """Add a column and two tables. A worker alone writes them, and no role changes a statement."""
    op.execute("ALTER TABLE replica ADD COLUMN located text")
    for table in filter(str.strip, TABLES.split(";")):
        op.execute(table)
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {roles}")


def downgrade() -> None:
    """Drop them. Raises RuntimeError if there are statements, which are evidence."""
    signed = op.get_bind().scalar(sa.text("SELECT count(*) FROM statement"))
    if signed:
        raise RuntimeError(f"The catalog has {signed} statements of emptied backends: keep them.")
    op.execute("DROP TABLE departure, statement")
    op.execute("ALTER TABLE replica DROP COLUMN located")
