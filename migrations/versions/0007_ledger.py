"""A ledger of erasures on the backends, and a catalog that knows the place it is in.

Revision: 0007
Follows: 0006

From here on a restored catalog is recognised. What code of before erases is not in the ledger: it
is, from when the last process of that code has ended.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)

KINDS = "kind IN ('pack', 'day_key', 'file_key', 'canary')"
KINDS_AND_LEDGER = "kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger')"
# whoever migrates a catalog says that it is the one
HERE = """
UPDATE catalog_info SET identity = concat_ws('/',
  c.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8),
  (SELECT oid FROM pg_database WHERE datname = current_database()),
  CAST(CAST('catalog_info' AS regclass) AS oid))
FROM pg_control_system() c
"""
RECOVERING = "identity, unread"


def upgrade() -> None:
    """Up."""
    op.add_column("catalog_info", sa.Column("identity", sa.Text(), nullable=True))
    op.add_column(
        "catalog_info",
        sa.Column(
            "unread",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            server_default=sa.text("'{}'"),
        ),
    )
    op.add_column("erasure", sa.Column("fenced", sa.DateTime(timezone=True), nullable=True))
    op.add_column("object", sa.Column("number", sa.BigInteger(), nullable=True))
    op.drop_constraint("object_kind", "object")
    op.create_check_constraint("object_kind", "object", KINDS_AND_LEDGER)
    op.create_check_constraint(
        "object_number", "object", "(kind = 'ledger') = (number IS NOT NULL)"
    )
    op.create_index(
        "object_number",
        "object",
        ["number"],
        unique=False,
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    op.execute(HERE)
    op.execute(f"GRANT UPDATE ({RECOVERING}) ON catalog_info TO domicile_worker")


def downgrade() -> None:
    """Down. Fails as long as the catalog knows of a ledger: code of before would forget it."""
    op.execute(f"REVOKE UPDATE ({RECOVERING}) ON catalog_info FROM domicile_worker")
    op.drop_index("object_number", "object")
    op.drop_constraint("object_number", "object")
    op.drop_constraint("object_kind", "object")
    op.create_check_constraint("object_kind", "object", KINDS)
    op.drop_column("object", "number")
    op.drop_column("erasure", "fenced")
    op.drop_column("catalog_info", "unread")
    op.drop_column("catalog_info", "identity")
