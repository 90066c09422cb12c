"""Guard the log, holds, grants and the roster against what a login may say.

Revision: 0034
Follows: 0033

The schema is in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0034"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

WORKER = "domicile_worker"
FUNCTIONS = {  # with the role that may call them
    "revoke_grants_of_before(timestamptz)": WORKER,
    "check_not_ahead(timestamptz)": None,
    "note_recovery()": None,
}

OLDER = {"0021_hold_authority.sql": "place_hold", "0024_lines.sql": "note_entry"}


def upgrade() -> None:
    """Create them."""
    _run(Path(__file__).with_name("0034_guarded.sql").read_text())
    for function, role in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        if role is not None:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE log_line DROP CONSTRAINT log_line_waiting")
    op.execute("DROP TRIGGER catalog_info_recovery ON catalog_info")
    for file, name in OLDER.items():
        older = Path(__file__).with_name(file).read_text()
        found = re.search(rf"CREATE (FUNCTION {name}\(.*?\n(END )?\$\$;)", older, re.DOTALL)
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
