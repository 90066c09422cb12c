"""Leave a line about what logins do with raw SQL alone, and refuse what a worker could do alone.

Revision: 0035
Follows: 0034

The schema is in a file of SQL beside this one. Code of an older version adds its own lines still:
a trigger at the end of its transaction adds none then.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

TRIGGERS = {
    "fence": ("fence_changed", "fence_in_force"),
    "erasure_copy": ("erasure_copy_awaited",),
    "replica": ("replica_awaited",),
    "erasure_object": ("erasure_object_changed", "erasure_object_awaited"),
    "hold_change": ("hold_change_approved_line", "hold_change_line"),
    "hold": ("hold_confirmed_line", "hold_line"),
    "exit_step": ("exit_step_line",),
    "exit_choice": ("exit_choice_line",),
    "agreement_entry": ("agreement_entry_line",),
    "tenant": ("tenant_changed_line", "tenant_line"),
    "catalog_info": ("catalog_info_declared",),
}
FUNCTIONS = (
    *("refuse_change()", "guard_fences()", "guard_awaited_copies()", "guard_awaited_replicas()"),
    "guard_awaited_objects()",
    *("note_hold_change()", "note_hold()", "excluded_digest(uuid, uuid)"),
    *("note_exit_step()", "note_exit()", "said_exit(exit_choice)", "note_agreement()"),
    *("note_terms()", "said_terms(tenant)", "sorted(text[])", "is_replaying()"),
    *("note_unless_said(text, jsonb, uuid, jsonb)", "is_said(text, jsonb, uuid)"),
    *("end_of_line(uuid, text)", "line_commitment(bytea, text)"),
    *("guard_recovery()", "is_recovering()"),
)


def upgrade() -> None:
    """Create them. Nobody calls the functions but triggers and functions of the catalog."""
    _run(Path(__file__).with_name("0035_raw_sql.sql").read_text())
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them."""
    older = Path(__file__).with_name("0021_hold_authority.sql").read_text()
    found = re.search(r"CREATE (FUNCTION replay_hold\(.*?\nEND \$\$;)", older, re.DOTALL)
    assert found is not None
    _run(f"CREATE OR REPLACE {found[1]}")
    for table, names in TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER TABLE catalog_info DROP COLUMN declared")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
