"""Let a choice for the end of a contract that has lapsed stay so.

Revision: 0044
Follows: 0043

The functions are in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0044"
down_revision: str | None = "0043"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"


def upgrade() -> None:
    """Add a column, and the triggers that set it."""
    _run(Path(__file__).with_name("0044_lapsed_stays.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION keep_lapsed(), keep_all_lapsed() FROM PUBLIC")


def downgrade() -> None:
    """Drop them. Raises RuntimeError if a choice has lapsed: it would be carried out."""
    query = sa.text("SELECT count(*) FROM exit_choice WHERE lapsed IS NOT NULL")
    if op.get_bind().scalar(query):
        raise RuntimeError("A choice has lapsed: without that, it may be carried out.")
    op.execute("DROP TRIGGER agreement_entry_lapses ON agreement_entry")
    op.execute("DROP TRIGGER agreement_forgotten_lapses ON agreement_entry")
    op.execute("DROP FUNCTION keep_lapsed(), keep_all_lapsed()")
    older = Path(__file__).with_name("0039_choices_lapse.sql").read_text()
    found = re.search(r"CREATE FUNCTION has_lapsed\(.*?\n\$\$;", older, re.DOTALL)
    assert found is not None
    _run(found[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute("ALTER TABLE exit_choice DROP COLUMN lapsed")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
