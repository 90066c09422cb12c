"""Let workers forget objections and entries in the roster that have ended for long.

Revision: 0032
Follows: 0031

The functions are in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

WORKER = "domicile_worker"
FUNCTIONS = ("forget_objections(timestamptz, integer)", "forget_roster(timestamptz, integer)")


def upgrade() -> None:
    """Create the functions, and let the objections of a tenant that is removed end."""
    _run(Path(__file__).with_name("0032_forgotten.sql").read_text())
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {WORKER}")


def downgrade() -> None:
    """Drop them. What was forgotten stays so."""
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    older = Path(__file__).with_name("0027_agreements.sql").read_text()
    found = re.search(r"CREATE OR REPLACE FUNCTION remove_tenant\(.*?END \$\$;", older, re.DOTALL)
    assert found is not None
    _run(found[0])


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
