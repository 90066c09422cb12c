"""Let a record say until when it can be read, and its metadata change.

Revision: 0049
Follows: 0048

What reads a record is another function, because older code still calls the one of 0048. The schema
is in files of SQL beside this one.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0049"
down_revision: str | None = "0048"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

FUNCTION = "readable_row(text, bytea, date)"
ROLES = "domicile_service, domicile_worker, domicile_admin"
TABLES = "record", "file", "held"


def upgrade() -> None:
    """Add them. What older code writes can be read until its day, and has its first metadata."""
    for table in TABLES:
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN readable_until timestamptz, "
            "ADD COLUMN metadata_version integer NOT NULL DEFAULT 0"
        )
    op.execute(
        "GRANT UPDATE (sealed_metadata, metadata_version) ON record, file TO domicile_service"
    )
    op.execute("GRANT SELECT (readable_until) ON record, file, held TO domicile_keys")
    _run("0049_readable_until.sql")
    _run("0049_older_code.sql")
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {ROLES}")


def downgrade() -> None:
    """Drop them. Refuse if a record has one: older code would read it too long, or not at all."""
    op.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE MODE")  # no write falls between
    for table in TABLES:
        new = sa.text("readable_until IS NOT NULL OR metadata_version > 0")
        found = sa.select(sa.literal(1)).select_from(sa.table(table)).where(new).limit(1)
        if op.get_bind().scalar(found):
            raise RuntimeError(
                f"Records in {table} say until when they are read, or have later metadata: older "
                "code would read them for longer, or not at all."
            )
    op.execute("DROP FUNCTION readable_record(text, bytea, date)")
    op.execute(f"DROP FUNCTION {FUNCTION}")
    _run("0048_readable.sql")
    op.execute("REVOKE ALL ON FUNCTION readable_record(text, bytea, date) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION readable_record(text, bytea, date) TO {ROLES}")
    for table in ("record", "file"):
        op.execute(f"DROP TRIGGER {table}_metadata ON {table}")
    op.execute("DROP FUNCTION guard_metadata()")
    op.execute(
        "REVOKE UPDATE (sealed_metadata, metadata_version) ON record, file FROM domicile_service"
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN readable_until, DROP COLUMN metadata_version")


def _run(name: str) -> None:
    """Run a file of SQL beside this one, for the schema of the catalog."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    named = re.sub(r"\bours\.", lambda _: f"{schema}.", Path(__file__).with_name(name).read_text())
    op.get_bind().exec_driver_sql(named, execution_options={"no_parameters": True})
