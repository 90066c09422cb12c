"""Keep the topologies that the catalog has seen, with the list of sub-processors of each.

Revision: 0015
Follows: 0014
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

EVERYONE = "domicile_service, domicile_worker, domicile_admin"


def upgrade() -> None:
    """Add the table. What was seen, and since when, nobody changes or deletes."""
    op.execute(
        """
        CREATE TABLE topology_seen (
          digest text PRIMARY KEY,
          first_seen timestamptz NOT NULL,
          last_seen timestamptz NOT NULL,
          sub_processors jsonb NOT NULL
        )
        """
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE (last_seen) ON topology_seen TO {EVERYONE}")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE topology_seen")
