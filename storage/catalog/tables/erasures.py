"""Erasures, and all that makes, delays and proves them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.catalog.tables.base import MOMENT, metadata

erasure = Table(
    "erasure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    # pseudonyms, or the unique part of an id; NULL once planned
    Column("sought", ARRAY(LargeBinary), key="match_values"),
    Column("reason", Text, nullable=False),
    Column("ticket", Text),
    Column("state", Text, nullable=False),
    Column("requested", MOMENT, nullable=False),
    Column("cutoff", MOMENT, nullable=False),
    Column("fenced", MOMENT),  # since when this catalog has its fence; NULL: ``requested``
    Column("awaited", Boolean, nullable=False, server_default=text("false")),
    Column("planned", MOMENT),
    Column("completed", MOMENT),
    Column("deleted", BigInteger, nullable=False, server_default=text("0")),
    Column("spared_from", MOMENT),  # events minted later are left; NULL: nothing is
    Column("kept", BigInteger, nullable=False, server_default=text("0")),  # how many were left
    Column("kept_until", Date),  # the last day of those
    CheckConstraint("state IN ('fenced', 'deferred', 'purging', 'complete')", name="erasure_state"),
    Index("erasure_open", "requested", postgresql_where=text("state <> 'complete'")),
    Index("erasure_complete", "completed", postgresql_where=text("state = 'complete'")),
    Index("erasure_tenant", "tenant", "requested"),
)


fence = Table(  # what makes an erasure effective at once
    "fence",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("value", LargeBinary, primary_key=True),
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("cutoff", MOMENT, nullable=False),
    Column("until", MOMENT, nullable=False),
    Column("spared_from", MOMENT),  # as in ``erasure``
    Index("fence_cutoff", "tenant", "scope", "cutoff"),
    Index("fence_until", "until"),
    Index("fence_erasure", "erasure_id"),
)


erasure_object = Table(  # an object that an erasure waits for, until it is complete
    "erasure_object",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("object_id", Uuid, ForeignKey("object.id"), primary_key=True),
    Column("holds_ranges", Boolean, nullable=False),  # false: it was being written, content unknown
    Index("erasure_object_object", "object_id"),
)


deferral = Table(  # what a hold keeps of what an erasure covers, and since when
    "deferral",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id", ondelete="CASCADE"), primary_key=True),
    Column("hold_id", Uuid, ForeignKey("hold.id"), primary_key=True),
    Column("since", MOMENT, primary_key=True),
    Column("until", MOMENT),
    Column("records", BigInteger, nullable=False),
    Index("deferral_hold", "hold_id"),
)


receipt = Table(
    "receipt",
    metadata,
    Column("erasure_id", Uuid, ForeignKey("erasure.id"), primary_key=True),
    Column("token", Text, nullable=False),
    Column("issued", MOMENT, nullable=False),
    Column("exported", MOMENT),  # NULL: in this catalog alone
)


retention_look = Table(  # how long a tenant was last seen to keep its classes
    "retention_look",
    metadata,
    Column("tenant", Text, ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),  # of the terms
    Column("rules", Text, nullable=False),  # the digest of what the topology says of retentions
    Column("days", JSONB, nullable=False),  # by class; null: until deleted
    Column("until", JSONB, nullable=False),  # by class: until when to look for what ends early
    Column("looked", Date, nullable=False),
)
