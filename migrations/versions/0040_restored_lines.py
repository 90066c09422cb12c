"""Restore every line of the log, whatever it says, and number none that a checkpoint has already.

Revision: 0040
Follows: 0039

The functions are in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0040"
down_revision: str | None = "0039"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

BEFORE = {"0023_closed_functions.sql": "restore_log_line", "0024_lines.sql": "number_log_lines"}


def upgrade() -> None:
    """Replace both functions."""
    _run(Path(__file__).with_name("0040_restored_lines.sql").read_text())


def downgrade() -> None:
    """Make them as before."""
    for file, name in BEFORE.items():
        older = Path(__file__).with_name(file).read_text()
        found = re.findall(rf"(FUNCTION {name}\([^;]*?AS \$\$.*?\nEND \$\$;)", older, re.DOTALL)
        _run(f"CREATE OR REPLACE {found[-1]}")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
