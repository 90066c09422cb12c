"""Let lines of the log say codes alone, and refuse rows that are none of a tile or a checkpoint.

Revision: 0036
Follows: 0035

The schema is in a file of SQL beside this one. Rows that are there stay as they are.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FUNCTIONS = ("check_codes()", "refuse_text()", "refuse_row()", "is_code(text)")
TRIGGERS = {
    "roster": "roster_codes",
    "access_grant": "access_grant_codes",
    "grant_approval": "grant_approval_codes",
    "log_tile": "log_tile_place_is_one",
    "log_checkpoint": "log_checkpoint_length",
}


def upgrade() -> None:
    """Create them."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    sql = Path(__file__).with_name("0036_codes_in_lines.sql").read_text()
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them."""
    for table, trigger in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
