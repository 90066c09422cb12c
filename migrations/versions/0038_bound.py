"""Bind keys under holds to their records, and let numbers of holds and entries only count on.

Revision: 0038
Follows: 0037

The schema is in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TRIGGERS = {"held": "held_bound", "hold": "hold_numbered", "object": "entry_numbered"}
FUNCTIONS = ("bind_held()", "held_facts(held)", "guard_hold_number()", "guard_entry_number()")


def upgrade() -> None:
    """Create them. Nobody calls the functions but triggers."""
    sql = Path(__file__).with_name("0038_bound.sql").read_text()
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them, with what is known of keys whose records are gone."""
    for table, name in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP TABLE held_binding")
