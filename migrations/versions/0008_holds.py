"""Legal holds: what they keep, what they defer, and who looked.

Revision: 0008
Follows: 0007

Code of an older revision works on this schema and knows of no hold: it would destroy what one
covers. A hold may be placed when no process of the region runs such code any more.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (1, 3)

SERVICE, WORKER, ADMIN = "domicile_service", "domicile_worker", "domicile_admin"
GRANTS: Sequence[tuple[str, str, str]] = (
    ("SELECT", "audit, deferral, held, hold", f"{SERVICE}, {WORKER}, {ADMIN}"),
    # What places and releases holds, and opens what is under one. It destroys nothing.
    ("INSERT", "audit, hold", ADMIN),
    ("UPDATE (released, released_why)", "hold", ADMIN),
    # What carries, defers and resumes.
    ("INSERT, UPDATE, DELETE", "held", WORKER),
    ("INSERT, UPDATE", "deferral", WORKER),
    ("UPDATE (resumed)", "hold", WORKER),
)
CHECKS = {
    "object_kind": (
        "object",
        "kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger')",
        "kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger', 'held', 'hold_key')",
    ),
    "erasure_state": (
        "erasure",
        "state IN ('fenced', 'purging', 'complete')",
        "state IN ('fenced', 'deferred', 'purging', 'complete')",
    ),
}
HELD = sa.text("kind IN ('held', 'hold_key')")
IN_FORCE = sa.text("released IS NULL")
TO_RESUME = sa.text("released IS NOT NULL AND resumed IS NULL")


def upgrade() -> None:
    """Up."""
    for name, (table, _, after) in CHECKS.items():
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, after)
    op.add_column("day", sa.Column("holds", sa.BigInteger(), nullable=True))
    op.create_index("object_held", "object", ["tenant"], unique=False, postgresql_where=HELD)
    _make_hold()
    _make_held()
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_hold", "audit", ["hold_id", "id"], unique=False)
    op.create_table(
        "deferral",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"]),
        sa.PrimaryKeyConstraint("erasure_id", "hold_id", "since"),
    )
    op.create_index("deferral_hold", "deferral", ["hold_id"], unique=False)
    for rights, tables, roles in GRANTS:
        op.execute(f"GRANT {rights} ON {tables} TO {roles}")


def downgrade() -> None:
    """Down. Refused by the database while anything is kept beyond its day, or deferred."""
    for table in ("deferral", "audit", "held", "hold"):
        op.drop_table(table)
    op.drop_index("object_held", table_name="object", postgresql_where=HELD)
    op.drop_column("day", "holds")
    for name, (table, before, _) in CHECKS.items():
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, before)


def _make_hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("sought", sa.ARRAY(sa.LargeBinary()), nullable=True),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=True),
        sa.Column("classes", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("minted_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("minted_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cutoff", sa.DateTime(timezone=True), nullable=True),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("placed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review", sa.Date(), nullable=False),
        sa.Column("released", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_why", sa.Text(), nullable=True),
        sa.Column("resumed", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('record', 'subject', 'group', 'tenant')", name="hold_scope"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("hold_in_force", "hold", ["tenant"], unique=False, postgresql_where=IN_FORCE)
    op.create_index(
        "hold_to_resume", "hold", ["released"], unique=False, postgresql_where=TO_RESUME
    )
    # as 0003: the planner must not keep samples of pseudonyms and of what counsel wrote
    unsampled = "sought", "sealed_name", "matter", "authority", "issuer", "released_why"
    targets = ", ".join(f"ALTER {column} SET STATISTICS 0" for column in unsampled)
    op.execute(f"ALTER TABLE hold {targets}")


def _make_held() -> None:
    op.create_table(
        "held",
        sa.Column("expiry_day", sa.Date(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("uid", sa.LargeBinary(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("born", sa.Text(), nullable=False),
        sa.Column("minted", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("grp", sa.LargeBinary(), nullable=True),
        sa.Column("ancestors", sa.ARRAY(sa.LargeBinary()), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("incomplete", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_metadata", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("expiry_day", "tenant", "uid"),
    )
    op.create_index("held_object", "held", ["object_id"], unique=False)
    op.create_index("held_key", "held", ["key_id"], unique=False)
    op.create_index("held_tenant", "held", ["tenant", "minted", "uid"], unique=False)
    for column in ("subject", "grp"):
        some = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"held_{column}", "held", ["tenant", column], unique=False, postgresql_where=some
        )
    op.create_index(
        "held_ancestors",
        "held",
        ["ancestors"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("ancestors IS NOT NULL"),
    )
    op.execute("SELECT unsample('held')")
