"""Keep the history of agreements, and what customers chose for the end of their data.

Revision: 0027
Follows: 0026

The schema is in a file of SQL beside this one. ``agreement`` becomes a view of what is not
superseded, through which processes of an older version read, and add what they would insert. What
they delete stays. A later revision drops the view.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
TABLES = ("agreement_entry", "tenant_removal", "exit_choice", "exit_step")
FUNCTIONS = {  # with the roles that may call them
    "begin_exit(uuid, timestamptz)": WORKER,
    "confirm_exit(uuid, timestamptz)": ADMIN,
    "note_exit_notice(uuid, text, timestamptz)": ADMIN,
    "choose_exit(uuid, text, text, date, text, uuid, timestamptz)": ADMIN,
    "choice_is_over(exit_choice)": None,
    "lock_choice(uuid)": None,
    "acting_for_exit(date)": None,
    "forget_agreements(date, integer)": WORKER,
    "change_agreements_as_before()": None,
    "add_agreement(uuid, text, text, text, text, date, date, date, uuid)": ADMIN,
    "agreements_of(text)": None,
    "lock_tenant(text)": None,
    "refuse_exit(text)": None,
    "refuse_agreement(text)": None,
}
# What code of an older version would not keep.
NEWER = """
SELECT (SELECT count(*) FROM agreement_entry WHERE kind <> 'dpa' OR document IS NOT NULL
    OR supersedes IS NOT NULL) AS "agreements with a history",
  (SELECT count(*) FROM exit_choice) AS "choices for the end of a contract",
  (SELECT count(*) FROM tenant_removal) AS "agreements of removed tenants"
"""
BEFORE = """
CREATE TABLE agreement_before (
  tenant text REFERENCES tenant (id), kind text, signed date, until date,
  PRIMARY KEY (tenant, kind, signed));
INSERT INTO agreement_before SELECT DISTINCT ON (tenant, kind, signed) tenant, kind, signed, until
  FROM agreement ORDER BY tenant, kind, signed, until DESC NULLS FIRST;
DROP VIEW agreement;
ALTER TABLE agreement_before RENAME TO agreement;
ALTER INDEX agreement_before_pkey RENAME TO agreement_pkey;
ALTER TABLE agreement
  RENAME CONSTRAINT agreement_before_tenant_fkey TO agreement_tenant_fkey
"""


def upgrade() -> None:
    """Create them, with what is there. Only functions add to them."""
    _run(Path(__file__).with_name("0027_agreements.sql").read_text())
    op.execute(f"GRANT SELECT ON agreement, {', '.join(TABLES)} TO {SERVICE}, {WORKER}, {ADMIN}")
    op.execute(f"GRANT INSERT, DELETE ON agreement TO {ADMIN}")
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        if roles is not None:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    """Drop them. Raises RuntimeError if there is what older code does not know."""
    left = op.get_bind().execute(sa.text(NEWER)).one()
    if any(left):
        counts = ", ".join(f"{n} {what}" for what, n in left._mapping.items() if n)
        raise RuntimeError(f"The catalog has {counts}, which older code does not know: keep them.")
    _run(BEFORE)
    op.execute(f"GRANT SELECT ON agreement TO {SERVICE}, {WORKER}, {ADMIN}")
    op.execute(f"GRANT INSERT, DELETE ON agreement TO {ADMIN}")
    older = Path(__file__).with_name("0023_closed_functions.sql").read_text()
    found = re.search(r"CREATE OR REPLACE FUNCTION remove_tenant\(.*?END \$\$;", older, re.DOTALL)
    assert found is not None
    _run(found[0])
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in reversed(TABLES):
        op.drop_table(table)


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
