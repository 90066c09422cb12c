"""Let a function return what reading a record needs, because its plans are kept.

Revision: 0048
Follows: 0047

It runs with the rights of whoever calls it. The schema is in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0048"
down_revision: str | None = "0047"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FUNCTION = "readable_record(text, bytea, date)"
ROLES = "domicile_service, domicile_worker, domicile_admin"


def upgrade() -> None:
    """Create it."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    sql = Path(__file__).with_name("0048_readable.sql").read_text()
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {ROLES}")


def downgrade() -> None:
    """Drop it."""
    op.execute(f"DROP FUNCTION {FUNCTION}")
