"""Let a key service read how long a tenant keeps its records, and which agreements are in force.

Revision: 0033
Follows: 0032

With it the key service decides by the same rules as a service when reading has ended.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

KEYS = "domicile_keys"
COLUMNS = {
    "tenant": "account, home, retention",
    "agreement": "tenant, kind, signed, until",
    **dict.fromkeys(("record", "file", "held"), "minted, origin_date"),
}


def upgrade() -> None:
    """Grant the columns. ``agreement`` is a view, without who signed."""
    for table, columns in COLUMNS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {KEYS}")


def downgrade() -> None:
    """Take them back."""
    for table, columns in COLUMNS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {KEYS}")  # noqa: S608
