"""Keep the API keys with which customers of a tenant call an HTTP service.

Revision: 0050
Follows: 0049

The catalog has the SHA-256 of a key. It ends with its tenant.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0050"
down_revision: str | None = "0049"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
GRANTS = (
    ("SELECT", f"{SERVICE}, {WORKER}, {ADMIN}"),
    ("UPDATE (last_used)", SERVICE),
    ("INSERT", ADMIN),
    ("UPDATE (revoked)", f"{WORKER}, {ADMIN}"),
    ("DELETE", WORKER),
)


def upgrade() -> None:
    """Create the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "tenant", sa.Text, sa.ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("created", moment, nullable=False),
        sa.Column("last_used", moment),
        sa.Column("revoked", moment),
        sa.CheckConstraint("scope IN ('read', 'write')", name="api_key_scope"),
        sa.CheckConstraint("length(digest) = 32", name="api_key_digest"),
    )
    op.create_index("api_key_tenant", "api_key", ["tenant", "id"])
    for rights, roles in GRANTS:
        op.execute(f"GRANT {rights} ON api_key TO {roles}")


def downgrade() -> None:
    """Drop it: customers need new keys afterwards."""
    op.drop_table("api_key")
