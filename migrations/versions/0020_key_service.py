"""Let a key service look up what a permit names, and nothing else.

Revision: 0020
Follows: 0019

The role ``domicile_keys`` reads people, grants and holds, and of a record what finds it and its
wrapped key. It writes nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

KEYS = "domicile_keys"
# The migration of another region may create the role between the check and the statement.
MAKE_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{KEYS}') THEN
    CREATE ROLE {KEYS} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
DROP_ROLE = f"""
DO $$ BEGIN
  DROP ROLE {KEYS};
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
END $$
"""
TABLES = (
    *("alembic_version", "catalog_info", "roster", "grant_approval", "grant_revocation"),
    *("grant_use", "day", "fence", "hold"),
)
GRANT = (
    *("id", "tenant", "purpose", "actor", "requester", "scope", "sought", "hold_id", '"case"'),
    *("records_max", "justification_digest", "customer_must_approve", "requested", "until"),
)
RECORD = (
    *("tenant", "uid", "data_class", "minted", "origin", "subject", "grp", "ancestors", "key_id"),
    "wrapped_key",
)
COLUMNS = {
    "access_grant": GRANT,
    "record": (*RECORD, "expiry_day"),
    "held": (*RECORD, "expiry_day"),
    "file": RECORD,
}


def upgrade() -> None:
    """Create the role, and let it read."""
    schema = _schema()
    op.execute(MAKE_ROLE)
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {KEYS}")
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {KEYS}")
    for table, columns in COLUMNS.items():
        op.execute(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {KEYS}")


def downgrade() -> None:
    """Take its rights, and drop it with the last catalog that has it."""
    op.execute(f"REVOKE ALL ON {', '.join((*TABLES, *COLUMNS))} FROM {KEYS}")
    op.execute(f"REVOKE USAGE ON SCHEMA {_schema()} FROM {KEYS}")
    op.execute(DROP_ROLE)


def _schema() -> str:
    return str(op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())")))
