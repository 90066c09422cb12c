"""Let workers forget what was handed out for training when nothing needs it any more.

Revision: 0037
Follows: 0036

The function is in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FUNCTION = "forget_training(timestamptz, uuid[], bytea[], integer)"


def upgrade() -> None:
    """Create it, and an index by which it finds what is old."""
    sql = Path(__file__).with_name("0037_training_forgotten.sql").read_text()
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO domicile_worker")
    op.execute("CREATE INDEX training_use_at ON training_use (at)")


def downgrade() -> None:
    """Drop them. What was forgotten stays so."""
    op.execute("DROP INDEX training_use_at")
    op.execute(f"DROP FUNCTION {FUNCTION}")
