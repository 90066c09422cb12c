"""Copies at processors."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from storage.catalog.tables.base import MOMENT, metadata

processor_copy = Table(  # what a processor received; its subject, until it is gone
    "processor_copy",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("uid", LargeBinary, nullable=False),  # the record, as in its row
    Column("data_class", Text, nullable=False),
    Column("expiry_day", Date),
    Column("origin", MOMENT, nullable=False),
    Column("subject", LargeBinary),
    Column("grp", LargeBinary),
    Column("ancestors", ARRAY(LargeBinary)),
    Column("processor", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("announced", MOMENT, nullable=False),
    Column("land_by", MOMENT, nullable=False),  # no delivery can take effect later
    Column("deadline", MOMENT, nullable=False),
    Column("lead", Interval, nullable=False),
    Column("next_attempt", MOMENT),  # when to ask for its deletion, first or again
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("requested", MOMENT),
    Column("acknowledged", MOMENT),
    Column("how", Text),
    Column("digest", LargeBinary),
    Column("actor", Text),  # who attested the deletion
    CheckConstraint(
        "state IN ('announced', 'delivered', 'requested', 'confirmed')", name="processor_copy_state"
    ),
    CheckConstraint("how IN ('acknowledged', 'attested')", name="processor_copy_how"),
    CheckConstraint(
        "CASE WHEN state = 'confirmed' THEN num_nulls(acknowledged, how, digest) = 0 "
        "AND next_attempt IS NULL ELSE acknowledged IS NULL AND next_attempt IS NOT NULL END",
        name="processor_copy_confirmed",
    ),
    Index("processor_copy_due", "next_attempt", postgresql_where=text("state <> 'confirmed'")),
    Index(
        "processor_copy_open",
        "processor",
        "deadline",
        postgresql_where=text("state <> 'confirmed'"),
    ),
    Index("processor_copy_tenant", "tenant"),
    Index("processor_copy_over", "id", postgresql_where=text("state = 'confirmed'")),
)


erasure_copy = Table(  # a copy that an erasure waits for, until it is complete
    "erasure_copy",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id", ondelete="CASCADE"), primary_key=True),
    Column("copy_id", Uuid, ForeignKey("processor_copy.id"), primary_key=True),
    Index("erasure_copy_copy", "copy_id"),
)
