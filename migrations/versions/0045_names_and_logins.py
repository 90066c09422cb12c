"""Refuse sealed names that are none, and show no login for a line that was brought back.

Revision: 0045
Follows: 0044

The functions are in a file of SQL beside this one. Rows that are there stay as they are.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0045"
down_revision: str | None = "0044"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FUNCTIONS = "is_sealed_name(bytea), check_hold_name()"


def upgrade() -> None:
    """Add the triggers, and replace the function that brings a line back."""
    _run(Path(__file__).with_name("0045_names_and_logins.sql").read_text())
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTIONS} FROM PUBLIC")


def downgrade() -> None:
    """Drop them, and make that function as before."""
    op.execute("DROP TRIGGER hold_named ON hold")
    op.execute("DROP TRIGGER consent_named ON consent")
    op.execute(f"DROP FUNCTION {FUNCTIONS}")
    older = Path(__file__).with_name("0041_true_lines.sql").read_text()
    found = re.search(
        r"CREATE OR REPLACE FUNCTION restore_log_line\(.*?\nEND \$\$;", older, re.DOTALL
    )
    assert found is not None
    _run(found[0])


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
