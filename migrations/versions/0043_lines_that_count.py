"""Count a line about a change only if it can be read, is of now, and says all of the change.

Revision: 0043
Follows: 0042

The functions are in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0043"
down_revision: str | None = "0042"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

REPLACED = ("is_said", "said_terms", "note_terms")


def upgrade() -> None:
    """Replace the functions that look for a line."""
    _run(Path(__file__).with_name("0043_lines_that_count.sql").read_text())


def downgrade() -> None:
    """Make them as before."""
    older = Path(__file__).with_name("0035_raw_sql.sql").read_text()
    for name in REPLACED:
        (found,) = re.findall(rf"CREATE (FUNCTION {name}\(.*?\n(?:END )?\$\$;)", older, re.DOTALL)
        _run(f"CREATE OR REPLACE {found}")
    op.execute("DROP FUNCTION is_readable(json)")
    op.execute("DROP FUNCTION is_recent(timestamptz)")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
