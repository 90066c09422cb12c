"""Note what was said about consent. Nothing but functions writes it.

Revision: 0029
Follows: 0028

The schema is in a file of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
FUNCTIONS = {  # with the roles that may call them
    "forget_consents(timestamptz, timestamptz, integer)": WORKER,
    "replay_consent(jsonb, text)": WORKER,
    "state_consent(jsonb)": f"{SERVICE}, {ADMIN}",
    "insert_consent(jsonb, text)": None,
    "refuse_consent(text)": None,
}


def upgrade() -> None:
    """Create them. All roles read; a worker replays and forgets."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    text = Path(__file__).with_name("0029_consents.sql").read_text()
    sql = re.sub(r"\bours\.", lambda _: f"{schema}.", text)
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
    op.execute(f"GRANT SELECT ON consent TO {SERVICE}, {WORKER}, {ADMIN}")
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        if roles is not None:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    """Drop them. Raises RuntimeError if something was said: older code would not heed it."""
    said = op.get_bind().scalar(sa.text("SELECT count(*) FROM consent"))
    if said:
        raise RuntimeError(f"The catalog has {said} statements about consent: keep them.")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("consent")
