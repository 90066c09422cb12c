"""The first catalog.

Revision: 0001
Follows: nothing
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"
code: tuple[int, int] = (0, 0)


def upgrade() -> None:
    """Up."""
    op.create_table(
        "catalog_info",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("oldest_code", sa.Integer(), nullable=False),
        sa.Column("newest_code", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="catalog_info_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expiring_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'expiring', 'dropped')", name="day_state"),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "directory",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("directory_account", "directory", ["account"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("sought", sa.ARRAY(sa.LargeBinary()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cutoff", sa.DateTime(timezone=True), nullable=False),
        sa.Column("awaited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("planned", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("state IN ('fenced', 'purging', 'complete')", name="erasure_state"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "erasure_open",
        "erasure",
        ["requested"],
        unique=False,
        postgresql_where=sa.text("state <> 'complete'"),
    )
    op.create_index("erasure_tenant", "erasure", ["tenant", "requested"], unique=False)
    op.create_table(
        "file",
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
        sa.PrimaryKeyConstraint("tenant", "uid"),
    )
    op.create_index(
        "file_ancestors",
        "file",
        ["ancestors"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("ancestors IS NOT NULL"),
    )
    op.create_index(
        "file_grp",
        "file",
        ["tenant", "grp"],
        unique=False,
        postgresql_where=sa.text("grp IS NOT NULL"),
    )
    op.create_index("file_key", "file", ["key_id"], unique=False)
    op.create_index("file_object", "file", ["object_id"], unique=False)
    op.create_index(
        "file_subject",
        "file",
        ["tenant", "subject"],
        unique=False,
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index("file_tenant", "file", ["tenant", "minted", "uid"], unique=False)
    op.create_table(
        "object",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("backends", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("announced", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("family", sa.Uuid(), nullable=False),
        sa.Column("compact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replicate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('pack', 'day_key', 'file_key', 'canary')", name="object_kind"),
        sa.CheckConstraint(
            "state IN ('writing', 'stored', 'purging', 'gone')", name="object_state"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "object_compact",
        "object",
        ["compact_at"],
        unique=False,
        postgresql_where=sa.text("compact_at IS NOT NULL"),
    )
    op.create_index("object_day", "object", ["day", "kind"], unique=False)
    op.create_index("object_family", "object", ["family"], unique=False)
    op.create_index(
        "object_file_key",
        "object",
        ["announced"],
        unique=False,
        postgresql_where=sa.text("kind = 'file_key'"),
    )
    op.create_index(
        "object_gone",
        "object",
        ["gone_at"],
        unique=False,
        postgresql_where=sa.text("gone_at IS NOT NULL"),
    )
    op.create_index(
        "object_replicate",
        "object",
        ["replicate_at"],
        unique=False,
        postgresql_where=sa.text("replicate_at IS NOT NULL"),
    )
    op.create_index(
        "object_writing",
        "object",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("state = 'writing'"),
    )
    op.create_table(
        "record",
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
        postgresql_partition_by="LIST (expiry_day)",
    )
    op.create_index(
        "record_ancestors",
        "record",
        ["ancestors"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("ancestors IS NOT NULL"),
    )
    op.create_index(
        "record_grp",
        "record",
        ["tenant", "grp"],
        unique=False,
        postgresql_where=sa.text("grp IS NOT NULL"),
    )
    op.create_index("record_object", "record", ["object_id"], unique=False)
    op.create_index(
        "record_subject",
        "record",
        ["tenant", "subject"],
        unique=False,
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index("record_tenant", "record", ["tenant", "minted", "uid"], unique=False)
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("residency", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("dedicated", sa.Boolean(), nullable=False),
        sa.Column("retention", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tenant_account", "tenant", ["account"], unique=False)
    op.create_table(
        "agreement",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("signed", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"],
            ["tenant.id"],
        ),
        sa.PrimaryKeyConstraint("tenant", "kind", "signed"),
    )
    op.create_table(
        "day_key",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["object_id"], ["object.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("object_id"),
    )
    op.create_index(
        "day_key_ready",
        "day_key",
        ["day", "shard", "tenant"],
        unique=True,
        postgresql_where=sa.text("ready"),
    )
    op.create_table(
        "erasure_object",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("holds_ranges", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["erasure.id"],
        ),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["object.id"],
        ),
        sa.PrimaryKeyConstraint("erasure_id", "object_id"),
    )
    op.create_index("erasure_object_object", "erasure_object", ["object_id"], unique=False)
    op.create_table(
        "fence",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("cutoff", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["erasure.id"],
        ),
        sa.PrimaryKeyConstraint("tenant", "scope", "value", "erasure_id"),
    )
    op.create_index("fence_cutoff", "fence", ["tenant", "scope", "cutoff"], unique=False)
    op.create_index("fence_erasure", "fence", ["erasure_id"], unique=False)
    op.create_index("fence_until", "fence", ["until"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("issued", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["erasure.id"],
        ),
        sa.PrimaryKeyConstraint("erasure_id"),
    )
    op.create_table(
        "replica",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("land_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("purging_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('writing', 'stored', 'purging', 'gone')", name="replica_state"
        ),
        sa.ForeignKeyConstraint(["object_id"], ["object.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("replica_object", "replica", ["object_id"], unique=False)
    op.create_index(
        "replica_purge",
        "replica",
        ["next_attempt"],
        unique=False,
        postgresql_where=sa.text("state = 'purging'"),
    )


def downgrade() -> None:
    """Down. Partitions that have been attached go with their parent."""
    op.drop_index(
        "replica_purge", table_name="replica", postgresql_where=sa.text("state = 'purging'")
    )
    op.drop_index("replica_object", table_name="replica")
    op.drop_table("replica")
    op.drop_table("receipt")
    op.drop_index("fence_until", table_name="fence")
    op.drop_index("fence_erasure", table_name="fence")
    op.drop_index("fence_cutoff", table_name="fence")
    op.drop_table("fence")
    op.drop_index("erasure_object_object", table_name="erasure_object")
    op.drop_table("erasure_object")
    op.drop_index("day_key_ready", table_name="day_key", postgresql_where=sa.text("ready"))
    op.drop_table("day_key")
    op.drop_table("agreement")
    op.drop_index("tenant_account", table_name="tenant")
    op.drop_table("tenant")
    op.drop_index("record_tenant", table_name="record")
    op.drop_index(
        "record_subject", table_name="record", postgresql_where=sa.text("subject IS NOT NULL")
    )
    op.drop_index("record_object", table_name="record")
    op.drop_index("record_grp", table_name="record", postgresql_where=sa.text("grp IS NOT NULL"))
    op.drop_index(
        "record_ancestors",
        table_name="record",
        postgresql_using="gin",
        postgresql_where=sa.text("ancestors IS NOT NULL"),
    )
    op.drop_table("record")
    op.drop_index(
        "object_writing", table_name="object", postgresql_where=sa.text("state = 'writing'")
    )
    op.drop_index(
        "object_replicate",
        table_name="object",
        postgresql_where=sa.text("replicate_at IS NOT NULL"),
    )
    op.drop_index(
        "object_gone", table_name="object", postgresql_where=sa.text("gone_at IS NOT NULL")
    )
    op.drop_index(
        "object_file_key", table_name="object", postgresql_where=sa.text("kind = 'file_key'")
    )
    op.drop_index("object_family", table_name="object")
    op.drop_index("object_day", table_name="object")
    op.drop_index(
        "object_compact", table_name="object", postgresql_where=sa.text("compact_at IS NOT NULL")
    )
    op.drop_table("object")
    op.drop_index("file_tenant", table_name="file")
    op.drop_index(
        "file_subject", table_name="file", postgresql_where=sa.text("subject IS NOT NULL")
    )
    op.drop_index("file_object", table_name="file")
    op.drop_index("file_key", table_name="file")
    op.drop_index("file_grp", table_name="file", postgresql_where=sa.text("grp IS NOT NULL"))
    op.drop_index(
        "file_ancestors",
        table_name="file",
        postgresql_using="gin",
        postgresql_where=sa.text("ancestors IS NOT NULL"),
    )
    op.drop_table("file")
    op.drop_index("erasure_tenant", table_name="erasure")
    op.drop_index(
        "erasure_open", table_name="erasure", postgresql_where=sa.text("state <> 'complete'")
    )
    op.drop_table("erasure")
    op.drop_index("directory_account", table_name="directory")
    op.drop_table("directory")
    op.drop_table("day")
    op.drop_table("catalog_info")
