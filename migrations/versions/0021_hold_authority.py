"""Note the authority of legal holds: documents, second people, changes, carve-outs, wider scopes.

Revision: 0021
Follows: 0020

The schema is in a file of SQL beside this one. Holds that are in force stay so. They count as not
confirmed, and a second person has 72 hours from the migration. A process of an older version places
holds still, and releases none any more.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
KEYS = "domicile_keys"  # it asks whether a hold covers a record
ACCOUNTS = "SELECT (id, account) ON tenant"
TABLES = ("hold_change", "hold_carve_out")
FUNCTIONS = {  # with the roles that may call them
    "replay_hold_change(jsonb, timestamptz)": WORKER,
    "approve_hold_change(uuid, timestamptz)": ADMIN,
    "request_hold_change(jsonb, timestamptz)": ADMIN,
    "make_true(hold_change, timestamptz)": None,
    "release_hold(uuid, text, timestamptz)": None,
    "resume_hold(uuid)": None,
    "replay_confirmation(uuid, text, timestamptz)": WORKER,
    "confirm_hold(uuid, timestamptz)": ADMIN,
    "note_confirmation(uuid, text, timestamptz)": None,
    "replay_hold(jsonb, jsonb, text, text)": WORKER,
    "place_hold(jsonb, jsonb)": ADMIN,
    "insert_hold(jsonb, jsonb, text, text)": None,
    "carve_out(uuid, uuid, jsonb)": None,
    "lock_hold(uuid)": None,
    "check_recovery()": None,
    "check_process()": None,
    "acting_for_hold(date)": None,
    "person_of_session()": None,
    "refuse_hold(text)": None,
    "is_about(hold, text)": None,
}
# What a process of an older version gives.
PLACED = (
    "id, number, tenant, scope, sought, sealed_name, classes, minted_from, minted_to, cutoff, "
    "matter, authority, issuer, placed, review"
)
PASSED = "passed_tenant, passed_minted, passed_uid, passed_day"
COLUMNS = (
    *("account", "document", "authority_jurisdiction", "sponsor", "placed_login", "confirm_by"),
    *("confirmed", "confirmed_by", "narrowed", *PASSED.split(", ")),
)
REPLACED = ("check_grounds", "request_grant")
# What code of an older version would not keep.
NEWER = """
SELECT (SELECT count(*) FROM hold_carve_out) AS "carve-outs",
  (SELECT count(*) FROM hold WHERE tenant IS NULL) AS "holds on more than one tenant",
  (SELECT count(*) FROM hold_change) AS "changes of holds"
"""


def upgrade() -> None:
    """Create them. One person alone releases no hold any more, not even with raw SQL."""
    _run(_sql("0021_hold_authority.sql"))
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {SERVICE}, {WORKER}, {ADMIN}")
    op.execute(f"GRANT SELECT ON hold_carve_out TO {KEYS}")
    op.execute(f"GRANT {ACCOUNTS} TO {KEYS}")
    op.execute(f"GRANT UPDATE ({PASSED}) ON hold TO {WORKER}")
    op.execute(f"REVOKE INSERT, UPDATE ON hold FROM {ADMIN}")
    op.execute(f"REVOKE UPDATE (released, released_why) ON hold FROM {ADMIN}")
    op.execute(f"GRANT INSERT ({PLACED}) ON hold TO {ADMIN}")
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
    older = _sql("0019_grants.sql")
    for name in REPLACED:
        found = re.search(rf"CREATE (FUNCTION {name}\(.*?END \$\$;)", older, re.DOTALL)
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute(f"REVOKE {ACCOUNTS} FROM {KEYS}")
    op.execute(f"REVOKE INSERT ({PLACED}) ON hold FROM {ADMIN}")
    op.execute(f"GRANT INSERT ON hold TO {ADMIN}")
    op.execute(f"GRANT UPDATE (released, released_why) ON hold TO {ADMIN}")
    op.execute("DROP INDEX hold_to_resume, hold_wide")
    dropped = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
    op.execute(
        f"ALTER TABLE hold DROP CONSTRAINT hold_scope, DROP CONSTRAINT hold_whose, {dropped}, "
        "ALTER tenant SET NOT NULL, "
        "ADD CONSTRAINT hold_scope CHECK (scope IN ('record', 'subject', 'group', 'tenant'))"
    )
    op.execute(
        "CREATE INDEX hold_to_resume ON hold (released) "
        "WHERE released IS NOT NULL AND resumed IS NULL"
    )


def _sql(file: str) -> str:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    text = Path(__file__).with_name(file).read_text()
    return re.sub(r"\bours\.", lambda _: f"{schema}.", text)


def _run(sql: str) -> None:
    """Execute statements. Only without parameters does psycopg take several at once."""
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
