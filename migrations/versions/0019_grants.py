"""Note people and grants. Nothing but functions writes them, which look at who is logged in.

Revision: 0019
Follows: 0018

The schema is in a file of SQL beside this one. The role that runs migrations owns the tables and
the functions, and could write both: no login of a process or a person may be a member of it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, ADMIN = "domicile_service", "domicile_admin"
TABLES = ("roster", "access_grant", "grant_approval", "grant_revocation", "grant_use")
FUNCTIONS = {  # with the roles that may call them
    "use_grant(uuid, bytea, text, timestamptz)": f"{SERVICE}, {ADMIN}",
    "revoke_grant(uuid, timestamptz)": ADMIN,
    # Only what has authenticated the customer speaks for it. People have logins with other rights.
    "approve_grant_for_customer(uuid, text, text, timestamptz)": SERVICE,
    "approve_grant(uuid, bytea, timestamptz)": ADMIN,
    "check_not_over(access_grant, timestamptz)": None,
    "lock_grant(uuid)": None,
    "request_grant(uuid, text, text, text, text, bytea[], uuid, text, integer, text, bytea, "
    "integer, timestamptz)": ADMIN,
    "check_grounds(text, text, uuid, date)": None,
    "traits_for(text, text)": None,
    "customer_must_approve(text, text[])": None,
    "enter_roster(text, text, text, text, text, text, text, date, date, boolean, "
    "timestamptz)": ADMIN,
    "acting_person(date)": None,
    "in_force(roster, date)": None,
    "roster_entry(text)": None,
    "present_day(timestamptz)": None,
    "refuse_grant(text)": None,
}


def upgrade() -> None:
    """Create them. Services and admins read; a worker has nothing to do with them."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    text = Path(__file__).with_name("0019_grants.sql").read_text()
    sql = re.sub(r"\bours\.", lambda _: f"{schema}.", text)
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {SERVICE}, {ADMIN}")
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        if roles is not None:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    """Drop them. Raises RuntimeError if there are grants: they are evidence."""
    made = op.get_bind().scalar(sa.text("SELECT count(*) FROM access_grant"))
    if made:
        raise RuntimeError(f"The catalog has {made} grants, which are evidence: keep them.")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in reversed(TABLES):
        op.drop_table(table)
