"""A catalog knows its pseudonym keys, so that no process uses it with others.

Revision: 0004
Follows: 0003

No keys are known of a catalog that is in use until ``domicile init`` has been run with its key
file: until then, no newer code opens it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 2)


def upgrade() -> None:
    """Up."""
    op.create_table(
        "pseudonym_key",
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.execute("GRANT SELECT ON pseudonym_key TO domicile_service, domicile_worker, domicile_admin")


def downgrade() -> None:
    """Down."""
    op.drop_table("pseudonym_key")
