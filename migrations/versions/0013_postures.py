"""Keep what buckets do with their objects, and which of them ledger entries may go to all the same.

Revision: 0013
Follows: 0012
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TABLES = """
CREATE TABLE posture (
  backend text PRIMARY KEY,
  findings jsonb NOT NULL,
  read timestamptz NOT NULL,
  reader text NOT NULL
);
CREATE TABLE ledger_place (
  backend text,
  since timestamptz,
  actor text NOT NULL,
  reason text NOT NULL,
  ended timestamptz,
  ended_by text,
  PRIMARY KEY (backend, since)
);
"""
GRANTS = (
    ("SELECT", "posture, ledger_place", "domicile_service, domicile_worker, domicile_admin"),
    ("INSERT, UPDATE", "posture", "domicile_service, domicile_worker, domicile_admin"),
    ("INSERT, UPDATE (ended, ended_by)", "ledger_place", "domicile_admin"),
)


def upgrade() -> None:
    """Add a column and two tables. What an operator accepted stays on record."""
    op.execute("ALTER TABLE replica ADD COLUMN posture jsonb")
    for table in filter(str.strip, TABLES.split(";")):
        op.execute(table)
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {roles}")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE posture, ledger_place")
    op.execute("ALTER TABLE replica DROP COLUMN posture")
