"""Refuse what covers more than people are told, and what no process can read; keep logins.

Revision: 0042
Follows: 0041

The schema is in a file of SQL beside this one. Rows that are there stay as they are.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0042"
down_revision: str | None = "0041"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, ADMIN = "domicile_service", "domicile_admin"
TRIGGERS = {
    "hold_change": ("hold_change_readable",),
    "hold_carve_out": ("hold_carve_out_readable",),
    "hold": ("hold_readable",),
    "roster": ("roster_days", "roster_login_kept"),
    "access_grant": ("access_grant_as_said",),
    "tenant": ("tenant_kept",),
}
FUNCTIONS = (
    *("are_carve_outs(jsonb)", "is_part(text, jsonb)", "check_hold()", "check_entry()"),
    *("are_classes(text[])", "is_moment(timestamptz)", "is_day(date)"),
    *("refuse_wider()", "is_as_said(text, bytea[])", "is_list(anyarray)"),
)
BEFORE = {
    "use_grant": "0019_grants.sql",
    "approve_grant_for_customer": "0024_lines.sql",
    "person_of_session": "0021_hold_authority.sql",
    "confirm_hold": "0021_hold_authority.sql",
    "forget_roster": "0032_forgotten.sql",
}


def upgrade() -> None:
    """Create them. Whoever asks whose login it has reads the former ones too."""
    _run(Path(__file__).with_name("0042_as_said.sql").read_text())
    op.execute(f"GRANT SELECT ON former_login TO {SERVICE}, {ADMIN}")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them, with the former logins: then these are nobody's."""
    for table, names in TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for name, file in BEFORE.items():
        older = Path(__file__).with_name(file).read_text()
        found = re.search(rf"(FUNCTION {name}\([^;]*?AS \$\$.*?\n(END )?\$\$;)", older, re.DOTALL)
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP TABLE former_login")


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
