"""Let a choice for the end of a contract lapse with a renewal, and ask more of a later BAA.

Revision: 0039
Follows: 0038

The functions are in a file of SQL beside this one. They are those of 0027, repeated whole.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0039"
down_revision: str | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

LAPSED = "has_lapsed(exit_choice, date)"
BEFORE = ("add_agreement", "confirm_exit", "begin_exit")


def upgrade() -> None:
    """Replace them."""
    _run(Path(__file__).with_name("0039_choices_lapse.sql").read_text())
    op.execute(f"REVOKE ALL ON FUNCTION {LAPSED} FROM PUBLIC")


def downgrade() -> None:
    """Bring those of 0027 back."""
    older = Path(__file__).with_name("0027_agreements.sql").read_text()
    for name in BEFORE:
        found = re.search(rf"CREATE FUNCTION {name}\(.*?END \$\$;", older, re.DOTALL)
        assert found is not None
        _run(found[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute(f"DROP FUNCTION {LAPSED}")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
