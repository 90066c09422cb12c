"""Copies at processors: what was handed over to whom, until it is known to be gone there.

Revision: 0009
Follows: 0008

Older code knows nothing of copies, and would sign a receipt while one is left: hand over nothing
until every worker runs the new code.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
ROLES = SERVICE, WORKER, ADMIN
ATTESTING = "requested, acknowledged, how, digest, actor, subject, grp, ancestors"
GRANTS: Sequence[tuple[str, str, Sequence[str]]] = (
    ("SELECT", "processor_copy, erasure_copy", ROLES),
    # What hands over. It says of no copy that it is gone.
    ("INSERT", "processor_copy", ROLES),
    ("UPDATE (state, land_by, next_attempt, last_error)", "processor_copy", ROLES),
    # What asks for copies to be deleted, and hears that they are.
    ("UPDATE, DELETE", "processor_copy", [WORKER]),
    ("INSERT, DELETE", "erasure_copy", [WORKER]),
    # Who records what a processor said, and forgets whom it was about.
    (f"UPDATE ({ATTESTING})", "processor_copy", [ADMIN]),
)


def upgrade() -> None:
    """Up."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "processor_copy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("uid", sa.LargeBinary(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("expiry_day", sa.Date()),
        sa.Column("origin", moment, nullable=False),
        sa.Column("subject", sa.LargeBinary()),
        sa.Column("grp", sa.LargeBinary()),
        sa.Column("ancestors", postgresql.ARRAY(sa.LargeBinary())),
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("announced", moment, nullable=False),
        sa.Column("land_by", moment, nullable=False),
        sa.Column("deadline", moment, nullable=False),
        sa.Column("lead", sa.Interval(), nullable=False),
        sa.Column("next_attempt", moment),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("requested", moment),
        sa.Column("acknowledged", moment),
        sa.Column("how", sa.Text()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("actor", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint(
            "state IN ('announced', 'delivered', 'requested', 'confirmed')",
            name="processor_copy_state",
        ),
        sa.CheckConstraint("how IN ('acknowledged', 'attested')", name="processor_copy_how"),
        sa.CheckConstraint(
            "CASE WHEN state = 'confirmed' THEN num_nulls(acknowledged, how, digest) = 0 "
            "AND next_attempt IS NULL ELSE acknowledged IS NULL AND next_attempt IS NOT NULL END",
            name="processor_copy_confirmed",
        ),
    )
    unconfirmed, confirmed = sa.text("state <> 'confirmed'"), sa.text("state = 'confirmed'")
    op.create_index(
        "processor_copy_due", "processor_copy", ["next_attempt"], postgresql_where=unconfirmed
    )
    op.create_index(
        "processor_copy_open",
        "processor_copy",
        ["processor", "deadline"],
        postgresql_where=unconfirmed,
    )
    op.create_index("processor_copy_tenant", "processor_copy", ["tenant"])
    op.create_index("processor_copy_over", "processor_copy", ["id"], postgresql_where=confirmed)
    for column in ("subject", "grp"):  # as of records: PostgreSQL keeps no samples of them
        op.execute(f"ALTER TABLE processor_copy ALTER {column} SET STATISTICS 0")
    op.create_table(
        "erasure_copy",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("copy_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["copy_id"], ["processor_copy.id"]),
        sa.PrimaryKeyConstraint("erasure_id", "copy_id"),
    )
    op.create_index("erasure_copy_copy", "erasure_copy", ["copy_id"])
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {', '.join(roles)}")


def downgrade() -> None:
    """Down. Refused while a copy is not known to be gone: nobody would know of it any more."""
    left = op.get_bind().scalar(
        sa.text("SELECT count(*) FROM processor_copy WHERE state <> 'confirmed'")
    )
    if left:
        raise RuntimeError(f"{left} copies are still at processors")
    op.drop_table("erasure_copy")
    op.drop_table("processor_copy")
