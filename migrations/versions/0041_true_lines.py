"""Forget no line that is not sealed, and believe no line that a login added to a restored catalog.

Revision: 0041
Follows: 0040

The functions are in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FORGET = "forget_log_lines(timestamptz, integer{})"
CHECK = "check_line_not_ahead()"
SAYS = "says_line(text, text, timestamptz)"
RELEASE = "release_log_numbers(bigint[])"
BEFORE = {
    "0035_raw_sql.sql": "guard_recovery",
    "0039_choices_lapse.sql": "begin_exit",
    "0040_restored_lines.sql": "restore_log_line",
}
WORKER = "domicile_worker"


def upgrade() -> None:
    """Replace them. A worker alone may call what forgets and restores."""
    _run(_text("0041_true_lines.sql"))
    _let_worker(FORGET.format(", bigint"))
    _let_worker(RELEASE)
    for function in (SAYS, CHECK):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Make them as before."""
    op.execute(f"DROP FUNCTION {FORGET.format(', bigint')}")
    _bring_back("0023_closed_functions.sql", "forget_log_lines")
    _let_worker(FORGET.format(""))
    for file, name in BEFORE.items():
        _bring_back(file, name)
    op.execute("DROP TRIGGER log_line_not_ahead ON log_line")
    for function in (RELEASE, SAYS, CHECK):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER TABLE catalog_info DROP COLUMN last_exit_step")


def _bring_back(file: str, name: str) -> None:
    """Make a function as an older revision made it."""
    found = re.findall(rf"(FUNCTION {name}\([^;]*?AS \$\$.*?\nEND \$\$;)", _text(file), re.DOTALL)
    _run(f"CREATE OR REPLACE {found[-1]}")


def _let_worker(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {WORKER}")


def _text(file: str) -> str:
    return Path(__file__).with_name(file).read_text()


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
